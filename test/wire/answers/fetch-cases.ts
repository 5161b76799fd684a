// Owns the Fetch cases: offsets, epochs, limits and sessions.
import { fetch, type FetchRequestInput } from '#protocol'
import { type AnswerCase, ask, type CaseOptions } from './answer-case.ts'
import type { Peer } from './peer.ts'

interface Asked {
  readonly topic?: string
  readonly partition?: number
  readonly offset?: bigint
  readonly epoch?: number
  readonly lastFetchedEpoch?: number
  readonly partitionMaxBytes?: number
}

type Rest = Omit<FetchRequestInput, 'topics'>

const BY_ID_FROM = 13
const SESSIONS_FROM = 7
const EPOCHS_FROM = 9
const DIVERGENCE_FROM = 12

function named(topic: string, version: number, peer: Peer): { readonly topic: string } | { readonly topicId: string } {
  return version >= BY_ID_FROM ? { topicId: peer.topicId(topic) } : { topic }
}

function topicOf(asked: Asked, version: number, peer: Peer) {
  return {
    ...named(asked.topic ?? 'orders', version, peer),
    partitions: [
      {
        partition: asked.partition ?? 0,
        fetchOffset: asked.offset ?? 0n,
        currentLeaderEpoch: asked.epoch ?? -1,
        partitionMaxBytes: asked.partitionMaxBytes ?? 1 << 20,
        ...(asked.lastFetchedEpoch === undefined ? {} : { lastFetchedEpoch: asked.lastFetchedEpoch }),
      },
    ],
  }
}

function read(
  what: string,
  asked: readonly Asked[],
  rest: Rest = {},
  options: CaseOptions<typeof fetch> = {},
): AnswerCase {
  return session(what, asked, () => rest, options)
}

function session(
  what: string,
  asked: readonly Asked[],
  rest: (peer: Peer, version: number) => Rest,
  options: CaseOptions<typeof fetch> = {},
): AnswerCase {
  return ask(
    fetch,
    what,
    (version, peer) => ({
      maxWaitMs: 0,
      minBytes: 0,
      maxBytes: 1 << 20,
      topics: asked.map(each => topicOf(each, version, peer)),
      ...rest(peer, version),
    }),
    options,
  )
}

const inSession = (peer: Peer, epoch: number): Rest => ({
  sessionId: peer.kept.get('session') ?? 0,
  sessionEpoch: epoch,
})
const withSessions: CaseOptions<typeof fetch> = { from: SESSIONS_FROM }

export const fetchCases: readonly AnswerCase[] = [
  read('from the beginning', [{}]),
  read('from the middle of a batch', [{ offset: 4n }]),
  read('from the log end', [{ offset: 15n }]),
  read('beyond the log end', [{ offset: 16n }]),
  read('a negative offset', [{ offset: -1n }]),
  read('an empty partition', [{ topic: 'empty' }]),
  read('an unknown topic', [{ topic: 'nowhere' }]),
  read('an unknown partition', [{ partition: 99 }]),
  read('a negative partition', [{ partition: -1 }]),
  read('an empty name', [{ topic: '' }], {}, { to: 12 }),
  read('a name with a slash', [{ topic: 'a/b' }], {}, { to: 12 }),
  read('known and unknown together', [{}, { topic: 'nowhere' }, { topic: 'small', partition: 7 }]),
  read('read committed', [{ offset: 3n }], { isolationLevel: 1 }),
  read('an isolation level that does not exist', [{ offset: 3n }], { isolationLevel: 7 }),
  read('the leader epoch', [{ epoch: 0, offset: 12n }], {}, { from: EPOCHS_FROM }),
  read('a leader epoch from the future', [{ epoch: 9 }], {}, { from: EPOCHS_FROM }),
  read('a last fetched epoch', [{ lastFetchedEpoch: 0, offset: 12n }], {}, { from: DIVERGENCE_FROM }),
  read('a last fetched epoch beyond', [{ lastFetchedEpoch: 7, epoch: 0, offset: 12n }], {}, { from: DIVERGENCE_FROM }),
  read('one byte in all', [{}], { maxBytes: 1 }),
  read('no bytes in all', [{}], { maxBytes: 0 }),
  read('negative bytes in all', [{}], { maxBytes: -1 }),
  read('one byte of a partition', [{ partitionMaxBytes: 1 }]),
  read('no bytes of a partition', [{ partitionMaxBytes: 0 }]),
  read('one byte of each of two partitions', [{ partitionMaxBytes: 1 }, { topic: 'trimmed', partitionMaxBytes: 1 }]),
  read('two whole batches and no more', [{ partitionMaxBytes: 250 }]),
  read('no topics', []),
  read('minimum not reached, no wait', [{ offset: 12n }], { minBytes: 1 << 20 }),
  read('minimum not reached, short wait', [{ offset: 12n }], { minBytes: 1 << 20, maxWaitMs: 30 }),
  session('a session begins', [{ offset: 12n }, { topic: 'empty' }], () => ({ sessionId: 0, sessionEpoch: 0 }), {
    ...withSessions,
    keep: (answer, peer) => void peer.kept.set('session', answer.sessionId),
  }),
  session('the session again, one partition moved', [{ offset: 15n }], peer => inSession(peer, 1), withSessions),
  session('the session again, nothing new', [], peer => inSession(peer, 2), withSessions),
  session('the session takes in an unknown topic', [{ topic: 'nowhere' }], peer => inSession(peer, 3), withSessions),
  session('the unknown topic is told again', [], peer => inSession(peer, 4), withSessions),
  session('the session takes in an unknown partition', [{ partition: 99 }], peer => inSession(peer, 5), withSessions),
  session(
    'the session forgets',
    [],
    (peer, version) => ({
      ...inSession(peer, 6),
      forgottenTopicsData: [
        { ...named('nowhere', version, peer), partitions: [0] },
        { ...named('orders', version, peer), partitions: [99] },
      ],
    }),
    withSessions,
  ),
  session('the wrong session epoch', [], peer => inSession(peer, 99), withSessions),
  session('an epoch gone by', [], peer => inSession(peer, 2), withSessions),
  session('the right epoch after a wrong one', [{ offset: 14n }], peer => inSession(peer, 7), withSessions),
  session('the session begins anew', [{ offset: 13n }], peer => inSession(peer, 0), {
    ...withSessions,
    keep: (answer, peer) => void peer.kept.set('session', answer.sessionId),
  }),
  session('the session ends', [{ offset: 12n }], peer => inSession(peer, -1), withSessions),
  session('an ended session', [], peer => inSession(peer, 1), withSessions),
  session('a session nobody began', [], () => ({ sessionId: 123_456_789, sessionEpoch: 1 }), withSessions),
  session('a negative session', [], () => ({ sessionId: -5, sessionEpoch: 1 }), withSessions),
  session('no session but an epoch', [{ offset: 12n }], () => ({ sessionId: 0, sessionEpoch: 5 }), withSessions),
]

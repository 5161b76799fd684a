// Owns the topics every peer has before the first case, and what is in them.
import { batchOf } from './batches.ts'
import type { Peer } from './peer.ts'

const FOR_EVER = { 'retention.ms': '-1' }

export async function prepare(peer: Peer): Promise<void> {
  // Five batches of three records on partition 0: offsets 0 to 14. Partition 1 takes what the Produce cases send.
  await peer.createTopic('orders', 2, FOR_EVER)
  const batches = ['a', 'b', 'c', 'd', 'e'].map(letter => batchOf([`${letter}1`, `${letter}2`, `${letter}3`]))
  await peer.fill('orders', 0, batches)
  await peer.createTopic('trimmed', 1, FOR_EVER)
  await peer.fill('trimmed', 0, batches)
  await peer.createTopic('empty', 1, FOR_EVER)
  await peer.createTopic('small', 1, { ...FOR_EVER, 'max.message.bytes': '1000' })
  await peer.createTopic('compacted', 1, { 'cleanup.policy': 'compact', 'min.cleanable.dirty.ratio': '1' })
  await peer.createTopic('stamped', 1, { ...FOR_EVER, 'message.timestamp.type': 'LogAppendTime' })
  await peer.createTopic('punctual', 1, { ...FOR_EVER, 'message.timestamp.before.max.ms': '1000' })
  await peer.createTopic('configured', 1, { ...FOR_EVER, 'segment.bytes': '2000000' })
  await peer.createTopic('grown', 2, FOR_EVER)
}

// Owns the life of the controller and its one rule: decide on the latest image, write the records as one operation, replay them
// in the same turn, answer when they are on disk. Never decides anything itself.
//
//   handle ─▶ decide(image) ─▶ {records, response} ─▶ log (write, replay into latest) ─▶ synced ─▶ answer with its offset
//
// Invariant: requests are decided one after the other in the order of their writes; an answer never outruns the disk.
import { join } from 'node:path'
import type { BrokerConfig } from '#config'
import type { Host, Logger, Timer } from '#host'
import type { MetadataImage } from '#metadata'
import { LogHandle, type LogHandleOptions } from '#native'
import {
  allocateProducerIds as allocateProducerIdsApi,
  type Api,
  type BatchCodec,
  type BrokerHeartbeatRequest,
  type BrokerHeartbeatResponse,
  type BrokerRegistrationRequest,
  type BrokerRegistrationResponse,
  brokerHeartbeat,
  brokerRegistration,
  createPartitions as createPartitionsApi,
  createTopics as createTopicsApi,
  deleteTopics as deleteTopicsApi,
  encodeBatch,
  encodeControlRecord,
  fetch as fetchApi,
  fetchSnapshot as fetchSnapshotApi,
  incrementalAlterConfigs as incrementalAlterConfigsApi,
  KafkaError,
  type MetadataRecord,
  type RequestInput,
  type ResponseOf,
} from '#protocol'
import { BrokerSessions } from './broker-sessions.ts'
import { fenceBroker, heartbeat, registerBroker } from './brokers.ts'
import { faultOfStoredMetadata } from './carry-on.ts'
import { completeMessage } from './complete-message.ts'
import { incrementalAlterConfigs } from './configs.ts'
import type { ControllerResult } from './controller-result.ts'
import { bootstrapRecords } from './features.ts'
import { loadMetadataLog } from './load-metadata-log.ts'
import { MetadataLog, type RawMetadataLog } from './metadata-log.ts'
import { metadataLogConfig } from './metadata-log-config.ts'
import { ObserverFetch } from './observer-fetch.ts'
import { createPartitions } from './partitions.ts'
import { allocateProducerIds } from './producer-ids.ts'
import { formatQuorumState, QUORUM_STATE_FILE } from './quorum-state.ts'
import { RefusedDirectory } from './refused-directory.ts'
import { SnapshotStore } from './snapshot-store.ts'
import { SnapshotSchedule } from './snapshot-schedule.ts'
import { readStoredMetadata, type StoredMetadata } from './stored-metadata.ts'
import { createTopics, deleteTopics } from './topics.ts'
import { METADATA_TOPIC, METADATA_TOPIC_ID } from './topic-names.ts'

export interface ControllerOptions {
  readonly config: BrokerConfig
  readonly host: Host
  readonly nodeId: number
  readonly clusterId: string
  readonly batchCodec: BatchCodec
  /** What `Controller.read` found, so that it is read once. */
  readonly stored?: StoredMetadata
  /** Opens the log; the native one unless told. */
  readonly openLog?: (options: LogHandleOptions) => RawMetadataLog
}

export interface ControllerAnswer<A extends Api> {
  readonly response: ResponseOf<A>
  /** Whoever has seen the metadata log up to here has seen everything the answer rests on. */
  readonly metadataOffset: bigint
}

/** On whose behalf a broker passes a request on. Decisions do not depend on it until there is an authorizer. */
export interface RequestOrigin {
  readonly clientId: string
  readonly clientHost: string
  readonly listenerName: string
}

/** Any whole number below: enough to spread the first replicas of topics. */
const PLACEMENT_STARTS = 1 << 20

/** Answers one API. The request is complete. */
type Handler = (request: never, version: number) => Promise<ControllerAnswer<Api>> | ControllerAnswer<Api>

interface Served {
  readonly api: Api
  readonly handler: Handler
}

export class Controller {
  readonly #options: ControllerOptions
  readonly #logger: Logger
  readonly #log: MetadataLog
  readonly #snapshots: SnapshotSchedule
  readonly #observers: ObserverFetch
  readonly #sessions: BrokerSessions
  readonly #served: ReadonlyMap<number, Served>
  #sessionTimer: Timer | undefined
  #quorumState: Promise<void>
  /** Settles when the metadata log cannot be written any more; nothing can be decided from then on. */
  readonly failed: Promise<Error>

  /** Reads what lies there without changing anything, and refuses what cannot be carried on: throws RefusedDirectory. */
  static read(options: Pick<ControllerOptions, 'config' | 'host' | 'nodeId' | 'batchCodec'>): StoredMetadata {
    const { config, host, nodeId, batchCodec: codec } = options
    const directory = join(config.metadataLogDir, `${METADATA_TOPIC}-0`)
    let stored: StoredMetadata
    try {
      stored = readStoredMetadata({ directory, files: host.files, codec, logger: host.logger.child('controller') })
    } catch (cause) {
      // An assertion too: records that contradict each other are a broken log.
      throw new RefusedDirectory(config.metadataLogDir, (cause as Error).message, { cause })
    }
    const fault = faultOfStoredMetadata(stored, nodeId)
    if (fault !== null) throw new RefusedDirectory(config.metadataLogDir, fault)
    return stored
  }

  /** Opens the log, takes over under a new epoch, and writes the first records of a new cluster. */
  static async start(options: ControllerOptions): Promise<Controller> {
    return new Controller(options)
  }

  private constructor(options: ControllerOptions) {
    const { config, host, nodeId, clusterId, batchCodec: codec } = options
    const { files } = host
    this.#options = options
    this.#logger = host.logger.child('controller')
    const directory = join(config.metadataLogDir, `${METADATA_TOPIC}-0`)
    const stored = options.stored ?? Controller.read(options)
    const openLog = options.openLog ?? (logOptions => new LogHandle(logOptions))
    const log = openLog({ dir: directory, config: metadataLogConfig(config), topicId: METADATA_TOPIC_ID })
    const store = new SnapshotStore({ directory, files, codec, logger: this.#logger })
    const { image, epochStarts, bytesSinceSnapshot } = loadMetadataLog(log, stored, codec)

    // The log knows every epoch that wrote to it; the file may know one that did not get that far.
    const statePath = join(directory, QUORUM_STATE_FILE)
    const leaderEpoch = Math.max(image.epoch, stored.quorumState?.leaderEpoch ?? 0, 0) + 1
    let fail: (error: Error) => void = () => {}
    this.failed = new Promise(resolve => {
      fail = resolve
    })
    this.#log = new MetadataLog({
      log,
      codec,
      image,
      epochStarts,
      leaderEpoch,
      nowMs: () => host.clock.nowMs(),
      onFailure: error => {
        const directory = config.metadataLogDir
        this.#logger.error('the metadata log failed, nothing can be decided any more', { directory, error })
        fail(error)
      },
    })
    this.#takeOver(image, stored.bootstrap)
    this.#quorumState = files
      .writeAtomic(statePath, formatQuorumState({ leaderId: nodeId, leaderEpoch }, image.quorum.kraftVersion))
      .catch(error => {
        this.#logger.warn('the quorum state cannot be written', { file: statePath, error })
      })

    this.#snapshots = new SnapshotSchedule({
      log: this.#log,
      store,
      timers: host.timers,
      logger: this.#logger,
      nowMs: () => host.clock.nowMs(),
      bytesSinceSnapshot,
      bytesBetweenMax: config.number('metadata.log.max.record.bytes.between.snapshots'),
      intervalMs: config.number('metadata.log.max.snapshot.interval.ms'),
    })
    this.#observers = new ObserverFetch({
      log: this.#log,
      snapshots: store,
      epochStarts,
      timers: host.timers,
      nodeId,
      clusterId,
    })
    this.#sessions = new BrokerSessions(config.number('broker.session.timeout.ms'))
    this.#served = this.#handlers()
    this.#expectBrokers()
  }

  /** With everything that was decided, committed or not: for tests and tools. */
  get image(): MetadataImage {
    return this.#log.latest
  }

  get leaderEpoch(): number {
    return this.#log.leaderEpoch
  }

  /** Decides one request. Rejects with a KafkaError for an API that is not served, and once the controller is closed or failed. */
  async handle<A extends Api>(
    apiKey: number,
    version: number,
    request: RequestInput<A>,
    _askedBy?: RequestOrigin,
  ): Promise<ControllerAnswer<A>> {
    const served = this.#served.get(apiKey)
    if (served === undefined) throw new KafkaError('UNSUPPORTED_VERSION', `the controller does not serve API ${apiKey}`)
    if (this.#log.failed) throw new KafkaError('NOT_CONTROLLER', 'the controller has stopped')
    const complete = completeMessage<never>(served.api.request, request)
    return (await served.handler(complete, version)) as unknown as ControllerAnswer<A>
  }

  /** Decides nothing more. What is written is on disk when this resolves. */
  async close(): Promise<void> {
    this.#sessionTimer?.cancel()
    await Promise.all([this.#snapshots.close(), this.#quorumState])
    this.#log.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Each epoch begins with a record that says who leads; a new cluster goes on with its first settings. */
  #takeOver(image: MetadataImage, bootstrap: readonly MetadataRecord[] | null): void {
    const { nodeId, batchCodec, host } = this.#options
    const { kraftVersion, voters: known } = image.quorum
    const voters = [
      { voterId: nodeId, ...(kraftVersion === 0 ? {} : { voterDirectoryId: known?.[0]?.voterDirectoryId }) },
    ]
    const leaderChange = encodeControlRecord({
      type: 'LeaderChange',
      version: kraftVersion,
      leaderId: nodeId,
      voters,
      grantingVoters: voters,
    })
    const records = [{ ...leaderChange, timestamp: BigInt(host.clock.nowMs()) }]
    this.#log.writeControl(encodeBatch({ records, isControl: true }, batchCodec), records.length)
    // A controller that died in the middle of an operation left it open: it never happened (KIP-868).
    if (image.transaction !== null) {
      this.#log.write([{ type: 'AbortTransactionRecord', reason: 'a new controller took over' }])
    }
    if (image.features.size === 0) this.#log.write(bootstrapRecords(bootstrap))
  }

  #handlers(): ReadonlyMap<number, Served> {
    const { config, host } = this.#options
    const { entropy } = host
    const placementStart = (): number => entropy.int(PLACEMENT_STARTS)
    const operations: readonly Served[] = [
      serve(createTopicsApi, request =>
        this.#commit(image =>
          createTopics({ image, config, request, newTopicId: () => entropy.uuid(), placementStart: placementStart() }),
        ),
      ),
      serve(deleteTopicsApi, (request, version) =>
        this.#commit(image => deleteTopics({ image, config, request, version })),
      ),
      serve(createPartitionsApi, request =>
        this.#commit(image => createPartitions({ image, request, placementStart: placementStart() })),
      ),
      serve(incrementalAlterConfigsApi, request =>
        this.#commit(image => incrementalAlterConfigs({ image, config, request })),
      ),
      serve(allocateProducerIdsApi, request =>
        this.#commit(
          image => allocateProducerIds(image, request),
          errorCode => ({
            throttleTimeMs: 0,
            errorCode,
            producerIdStart: 0n,
            producerIdLen: 0,
          }),
        ),
      ),
      serve(brokerRegistration, request => this.#register(request)),
      serve(brokerHeartbeat, request => this.#heartbeat(request)),
      serve(fetchApi, async request => ({
        response: await this.#observers.fetch(request),
        metadataOffset: this.#log.highWatermark - 1n,
      })),
      serve(fetchSnapshotApi, request => ({
        response: this.#observers.fetchSnapshot(request),
        metadataOffset: this.#log.highWatermark - 1n,
      })),
    ]
    return new Map(operations.map(served => [served.api.key, served]))
  }

  /** Decides, writes, and resolves when the decision, and everything it was based on, is on disk. */
  async #commit<Response>(
    decide: (image: MetadataImage) => ControllerResult<Response>,
    refusal?: (errorCode: number) => Response,
  ): Promise<{ readonly response: Response; readonly metadataOffset: bigint }> {
    let result: ControllerResult<Response>
    try {
      result = decide(this.#log.latest)
    } catch (error) {
      if (!(error instanceof KafkaError) || refusal === undefined) throw error
      result = { records: [], response: refusal(error.errorCode) }
    }
    const metadataOffset = result.records.length > 0 ? this.#log.write(result.records) : this.#log.operationOffset
    await this.#log.committedAt(metadataOffset)
    return { response: result.response, metadataOffset }
  }

  #register(request: BrokerRegistrationRequest) {
    const { clock } = this.#options.host
    const { brokerId } = request
    const nowMs = clock.monotonicMs()
    return this.#commit(
      image => {
        const result = registerBroker({
          image,
          request,
          clusterId: this.#options.clusterId,
          sessionAlive: this.#sessions.isAlive(brokerId, nowMs),
          nextOffset: this.#log.endOffset,
        })
        this.#sessions.heard(brokerId, nowMs)
        this.#armSessionTimer()
        this.#logger.debug('broker registered', { broker: brokerId, brokerEpoch: result.response.brokerEpoch })
        return result
      },
      (errorCode): BrokerRegistrationResponse => ({ throttleTimeMs: 0, errorCode, brokerEpoch: -1n }),
    )
  }

  #heartbeat(request: BrokerHeartbeatRequest) {
    const { clock } = this.#options.host
    const { brokerId } = request
    return this.#commit(
      image => {
        const result = heartbeat(image, request)
        if (result.response.shouldShutDown) this.#sessions.end(brokerId)
        else this.#sessions.heard(brokerId, clock.monotonicMs())
        this.#armSessionTimer()
        return result
      },
      (errorCode): BrokerHeartbeatResponse => ({
        throttleTimeMs: 0,
        errorCode,
        isCaughtUp: false,
        isFenced: true,
        shouldShutDown: false,
      }),
    )
  }

  /** Brokers that an earlier life of this controller left unfenced get the time of a session to speak up. */
  #expectBrokers(): void {
    const nowMs = this.#options.host.clock.monotonicMs()
    for (const { nodeId, fenced } of this.#log.latest.brokers.values())
      if (!fenced) this.#sessions.expect(nodeId, nowMs)
    this.#armSessionTimer()
  }

  /** One timer for all sessions. It may fire early, as heartbeats only ever move deadlines back: then it is set anew. */
  #armSessionTimer(): void {
    const deadlineMs = this.#sessions.nextDeadlineMs()
    if (deadlineMs === null || this.#sessionTimer !== undefined) return
    const { clock, timers } = this.#options.host
    this.#sessionTimer = timers.setTimer(deadlineMs - clock.monotonicMs(), () => {
      this.#sessionTimer = undefined
      this.#fenceOverdue(clock.monotonicMs())
      this.#armSessionTimer()
    })
  }

  #fenceOverdue(nowMs: number): void {
    for (const nodeId of this.#sessions.overdue(nowMs)) {
      this.#sessions.end(nodeId)
      const broker = this.#log.latest.brokers.get(nodeId)
      if (broker === undefined || broker.fenced || this.#log.failed) continue
      this.#logger.warn('broker fenced: no heartbeat within its session', { broker: nodeId })
      this.#log.write(fenceBroker(this.#log.latest, broker))
    }
  }
}

function serve<A extends Api>(api: A, handler: (request: never, version: number) => unknown): Served {
  return { api: api as unknown as Api, handler: handler as Handler }
}

// A controller over a log in memory and a host by hand, with brokers that speak to it as real ones do.
import { BrokerConfig } from '#config'
import { Controller } from '#controller'
import { type ManualHost, manualHost } from '#host'
import type { MetadataImage } from '#metadata'
import {
  type Api,
  allocateProducerIds,
  brokerHeartbeat,
  type BrokerHeartbeatRequestInput,
  brokerRegistration,
  type BrokerRegistrationRequestInput,
  createPartitions,
  type CreatePartitionsRequestInput,
  createTopics,
  type CreateTopicsRequestInput,
  deleteTopics,
  type DeleteTopicsRequestInput,
  fetch,
  incrementalAlterConfigs,
  type IncrementalAlterConfigsRequestInput,
  type RequestInput,
  type ResponseOf,
} from '#protocol'
import { plainCodec } from '../metadata/batch-codec-double.ts'
import { MemoryMetadataLog } from './memory-metadata-log.ts'

export const CLUSTER_ID = 'Y2x1c3Rlci1pZC0xMjM0NQ'
export const FEATURES = [
  { name: 'metadata.version', minSupportedVersion: 7, maxSupportedVersion: 30 },
  { name: 'kraft.version', minSupportedVersion: 0, maxSupportedVersion: 1 },
]

export interface WorldOptions {
  readonly overrides?: Readonly<Record<string, string>>
  readonly log?: MemoryMetadataLog
  readonly host?: ManualHost
}

type NewTopic = NonNullable<CreateTopicsRequestInput['topics']>[number]

export class World {
  readonly host: ManualHost
  readonly log: MemoryMetadataLog
  readonly config: BrokerConfig
  readonly controller: Controller
  readonly epochs = new Map<number, bigint>()
  readonly #incarnations = new Map<number, string>()

  static async start(options: WorldOptions = {}): Promise<World> {
    const host = options.host ?? manualHost()
    const log = options.log ?? new MemoryMetadataLog()
    const config = BrokerConfig.load({ overrides: { 'log.dirs': '/data', ...options.overrides } })
    const controller = await Controller.start({
      config,
      host,
      nodeId: 1,
      clusterId: CLUSTER_ID,
      batchCodec: plainCodec,
      openLog: () => log,
    })
    return new World(host, log, config, controller)
  }

  private constructor(host: ManualHost, log: MemoryMetadataLog, config: BrokerConfig, controller: Controller) {
    this.host = host
    this.log = log
    this.config = config
    this.controller = controller
  }

  get image(): MetadataImage {
    return this.controller.image
  }

  async ask<A extends Api>(api: A, request: RequestInput<A>, version = api.versions[1]): Promise<ResponseOf<A>> {
    return (await this.controller.handle<A>(api.key, version, request)).response
  }

  /** Registers under a new incarnation, unless the request names one. */
  async register(brokerId: number, request: BrokerRegistrationRequestInput = {}) {
    const incarnationId = request.incarnationId ?? this.host.entropy.uuid()
    const response = await this.ask(brokerRegistration, {
      brokerId,
      clusterId: CLUSTER_ID,
      incarnationId,
      listeners: [{ name: 'PLAINTEXT', host: 'localhost', port: 9000 + brokerId, securityProtocol: 0 }],
      features: FEATURES,
      rack: null,
      logDirs: [this.host.entropy.uuid()],
      ...request,
    })
    if (response.errorCode === 0) {
      this.epochs.set(brokerId, response.brokerEpoch)
      this.#incarnations.set(brokerId, incarnationId)
    }
    return response
  }

  heartbeat(brokerId: number, request: BrokerHeartbeatRequestInput = {}) {
    return this.ask(brokerHeartbeat, {
      brokerId,
      brokerEpoch: this.epochs.get(brokerId) ?? -1n,
      currentMetadataOffset: this.image.offset,
      ...request,
    })
  }

  /** Registered, caught up and unfenced. */
  async join(...brokerIds: number[]): Promise<void> {
    for (const id of brokerIds) {
      await this.register(id)
      await this.heartbeat(id)
    }
  }

  createTopics(topics: readonly (string | NewTopic)[], options: Partial<CreateTopicsRequestInput> = {}) {
    return this.ask(createTopics, {
      topics: topics.map(topic => (typeof topic === 'string' ? newTopic(topic) : { ...newTopic(''), ...topic })),
      timeoutMs: 1000,
      ...options,
    })
  }

  deleteTopics(request: DeleteTopicsRequestInput, version = 6) {
    return this.ask(deleteTopics, { timeoutMs: 1000, ...request }, version)
  }

  createPartitions(request: CreatePartitionsRequestInput) {
    return this.ask(createPartitions, { timeoutMs: 1000, ...request })
  }

  alterTopic(resourceName: string, ...changes: [name: string, operation: number, value: string | null][]) {
    return this.alterConfigs({
      resources: [
        {
          resourceType: 2,
          resourceName,
          configs: changes.map(([name, configOperation, value]) => ({ name, configOperation, value })),
        },
      ],
    })
  }

  alterConfigs(request: IncrementalAlterConfigsRequestInput) {
    return this.ask(incrementalAlterConfigs, request)
  }

  producerIds(brokerId: number, brokerEpoch = this.epochs.get(brokerId) ?? -1n) {
    return this.ask(allocateProducerIds, { brokerId, brokerEpoch })
  }

  fetchLog(
    fetchOffset: bigint,
    options: { lastFetchedEpoch?: number; maxWaitMs?: number; currentLeaderEpoch?: number } = {},
  ) {
    const { lastFetchedEpoch = -1, maxWaitMs = 0, currentLeaderEpoch = -1 } = options
    return this.ask(fetch, {
      clusterId: CLUSTER_ID,
      maxWaitMs,
      maxBytes: 1 << 20,
      topics: [
        {
          topicId: 'AAAAAAAAAAAAAAAAAAAAAQ',
          partitions: [{ partition: 0, fetchOffset, lastFetchedEpoch, currentLeaderEpoch, partitionMaxBytes: 1 << 20 }],
        },
      ],
    })
  }

  /** The next process on the same disk. */
  async restart(options: { powerCut?: boolean; overrides?: Record<string, string> } = {}): Promise<World> {
    await this.controller.close()
    const { overrides = {} } = options
    return World.start({ host: this.host, log: this.log.reopen(options), overrides })
  }
}

function newTopic(name: string): NewTopic {
  return { name, numPartitions: -1, replicationFactor: -1, assignments: [], configs: [] }
}

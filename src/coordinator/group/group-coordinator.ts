// Owns the front of the group coordinator: one method for each API, each finding the partition its group lives in.
// Never decides about a group (group-shard.ts does). Invariant: every call is answered, whatever becomes of the partition.
import type { BrokerConfig } from '#config'
import type { Host } from '#host'
import {
  type BatchCodec,
  compressionName,
  type DeleteGroupsRequest,
  type DeleteGroupsResponseInput,
  type DescribeGroupsRequest,
  type DescribeGroupsResponseInput,
  ErrorCode,
  type ErrorName,
  type HeartbeatRequest,
  type HeartbeatResponseInput,
  type JoinGroupRequest,
  type JoinGroupResponseInput,
  type LeaveGroupRequest,
  type LeaveGroupResponseInput,
  type ListGroupsRequest,
  type ListGroupsResponseInput,
  type OffsetCommitRequest,
  type OffsetCommitResponseInput,
  type OffsetDeleteRequest,
  type OffsetDeleteResponseInput,
  type SyncGroupRequest,
  type SyncGroupResponseInput,
} from '#protocol'
import { CoordinatorRuntime } from '../runtime/coordinator-runtime.ts'
import { partitionForKey } from '../runtime/java-hash.ts'
import type { PartitionLogs } from '../runtime/partition-logs.ts'
import type { RuntimeSettings } from '../runtime/partition-runtime.ts'
import type { CoordinatorShard } from '../runtime/shard.ts'
import type { DescribedGroup, ListedGroup } from './classic/describe.ts'
import type {
  Client,
  DeletedTopic,
  GroupEvent,
  GroupResponse,
  GroupResponses,
  RequestEvent,
  RequestKind,
} from './group-events.ts'
import type { GroupRecord } from './group-records.ts'
import type { GroupSettings } from './group-settings.ts'
import { GroupShard, groupCoordinatorKind } from './group-shard.ts'
import type { FetchedGroup, GroupToFetch } from './offsets/offset-fetch.ts'

export interface GroupCoordinatorOptions {
  readonly host: Host
  readonly config: BrokerConfig
  /** `__consumer_offsets`, as far as this node leads it. */
  readonly logs: PartitionLogs
  readonly batchCodec: BatchCodec
  /** Partitions `__consumer_offsets` really has; without it, or where it says undefined, what the configuration would make. */
  readonly partitionCount?: () => number | undefined
  /** For tests that want to say when a batch goes out. */
  readonly atEndOfTurn?: (flush: () => void) => void
}

/** DescribeGroups version from which an unknown group is an error; before, it is a group in state Dead. */
const GROUP_NOT_FOUND_VERSION = 6
const CLASSIC_TYPE = 'classic'

export class GroupCoordinator {
  readonly #host: Host
  readonly #partitionCount: () => number
  readonly #runtime: CoordinatorRuntime<GroupEvent, GroupResponse, GroupRecord>

  constructor(options: GroupCoordinatorOptions) {
    const { host, config, logs, batchCodec, partitionCount, atEndOfTurn } = options
    const configuredPartitions = config.get('offsets.topic.num.partitions')
    this.#host = host
    this.#partitionCount = () => partitionCount?.() ?? configuredPartitions
    this.#runtime = new CoordinatorRuntime({
      kind: groupCoordinatorKind(groupSettings(config)),
      host,
      logs,
      batchCodec,
      settings: runtimeSettings(config),
      ...(atEndOfTurn === undefined ? {} : { atEndOfTurn }),
    })
  }

  /** The partition of `__consumer_offsets` that holds this group. */
  partitionFor(groupId: string): number {
    return partitionForKey(groupId, this.#partitionCount())
  }

  /** This node leads the partition. Resolves when its groups answer; with a small log they do when this returns. */
  partitionElected(partition: number, leaderEpoch: number): Promise<void> {
    return this.#runtime.elect(partition, leaderEpoch)
  }

  partitionResigned(partition: number): void {
    this.#runtime.resign(partition)
  }

  /** Topics are gone, and with them the offsets groups committed for them. */
  topicDeleted(topics: readonly (string | DeletedTopic)[]): void {
    const deleted = topics.map(topic => (typeof topic === 'string' ? { name: topic } : topic))
    this.#runtime.postToAll({ kind: 'topicsDeleted', topics: deleted })
  }

  /** Everyone who waits is answered NOT_COORDINATOR. */
  close(): void {
    this.#runtime.close()
  }

  // ---- members

  joinGroup(request: JoinGroupRequest, client: Client): Promise<JoinGroupResponseInput> {
    const newMemberUuid = this.#newMemberUuid()
    return this.#submit({ kind: 'join', request, client: clientOf(client), newMemberUuid }, request.groupId)
  }

  syncGroup(request: SyncGroupRequest, client: Client): Promise<SyncGroupResponseInput> {
    return this.#submit({ kind: 'sync', request, client: clientOf(client) }, request.groupId)
  }

  heartbeat(request: HeartbeatRequest, client: Client): Promise<HeartbeatResponseInput> {
    return this.#submit({ kind: 'heartbeat', request, client: clientOf(client) }, request.groupId)
  }

  leaveGroup(request: LeaveGroupRequest, client: Client): Promise<LeaveGroupResponseInput> {
    return this.#submit({ kind: 'leave', request, client: clientOf(client) }, request.groupId)
  }

  // ---- offsets

  /** Topics and partitions are known to exist, and each topic has its name and, where known, its id. */
  offsetCommit(request: OffsetCommitRequest, client: Client): Promise<OffsetCommitResponseInput> {
    return this.#submit({ kind: 'commit', request, client: clientOf(client) }, request.groupId)
  }

  /** Committed offsets of one group; topics have their names. */
  offsetFetch(group: GroupToFetch, requireStable: boolean): FetchedGroup {
    const fetched = this.#read(this.partitionFor(group.groupId), shard => shard.fetch(group, requireStable))
    if (typeof fetched !== 'string') return fetched
    return { groupId: group.groupId, topics: [], errorCode: ErrorCode[fetched] }
  }

  offsetDelete(request: OffsetDeleteRequest): Promise<OffsetDeleteResponseInput> {
    return this.#submit({ kind: 'deleteOffsets', request }, request.groupId)
  }

  // ---- administration

  describeGroups(request: DescribeGroupsRequest, client: Client): DescribeGroupsResponseInput {
    return { groups: request.groups.map(groupId => this.#describe(groupId, client.apiVersion)) }
  }

  listGroups(request: ListGroupsRequest): ListGroupsResponseInput {
    const states = new Set(request.statesFilter.map(state => state.trim().toLowerCase()))
    const types = new Set(request.typesFilter.map(type => type.trim().toLowerCase()))
    const isWanted = ({ groupState }: ListedGroup): boolean =>
      (states.size === 0 || states.has((groupState ?? '').toLowerCase())) &&
      (types.size === 0 || types.has(CLASSIC_TYPE))
    const groups: ListedGroup[] = []
    for (const partition of this.#runtime.partitions) {
      const listed = this.#read(partition, shard => shard.list())
      if (listed === 'COORDINATOR_LOAD_IN_PROGRESS') return { errorCode: ErrorCode[listed], groups: [] }
      // Partitions that moved away are listed by whoever has them now.
      if (typeof listed !== 'string') groups.push(...listed.filter(isWanted))
    }
    return { groups }
  }

  async deleteGroups(request: DeleteGroupsRequest): Promise<DeleteGroupsResponseInput> {
    const results = [...new Set(request.groupsNames)].map(async groupId => {
      const { errorCode } = await this.#submit({ kind: 'deleteGroup', groupId }, groupId)
      return { groupId, errorCode }
    })
    return { results: await Promise.all(results) }
  }

  #describe(groupId: string, apiVersion: number): DescribedGroup {
    const described = this.#read(this.partitionFor(groupId), shard => shard.describe(groupId))
    if (typeof described === 'string') return { groupId, errorCode: ErrorCode[described] }
    if (described !== null) return described
    if (apiVersion < GROUP_NOT_FOUND_VERSION) return { groupId, groupState: 'Dead' }
    const errorMessage = `Group ${groupId} not found.`
    return { groupId, groupState: 'Dead', errorCode: ErrorCode.GROUP_ID_NOT_FOUND, errorMessage }
  }

  #submit<K extends RequestKind>(event: RequestEvent<K>, groupId: string): Promise<GroupResponses[K]> {
    // The shard answers each kind of request with its own kind of response.
    return this.#runtime.submit(this.partitionFor(groupId), event as GroupEvent) as Promise<GroupResponses[K]>
  }

  #read<T extends object | null>(partition: number, look: (shard: GroupShard) => T): T | ErrorName {
    return this.#runtime.read(partition, shard => look(asGroupShard(shard)))
  }

  /** Java's form of a random uuid: clients show member ids, and people compare them. */
  #newMemberUuid(): string {
    const bytes = this.#host.entropy.bytes(16)
    bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40
    bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
    return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  }
}

/** A request context holds far more than a shard should keep. */
function clientOf({ apiVersion, clientId, clientHost }: Client): Client {
  return { apiVersion, clientId, clientHost }
}

function asGroupShard(shard: CoordinatorShard<GroupEvent, GroupResponse, GroupRecord>): GroupShard {
  if (!(shard instanceof GroupShard)) throw new TypeError('the group runtime hosts group shards')
  return shard
}

const MINUTE_MS = 60_000

export function groupSettings(config: BrokerConfig): GroupSettings {
  return {
    sessionTimeoutMsMin: config.get('group.min.session.timeout.ms'),
    sessionTimeoutMsMax: config.get('group.max.session.timeout.ms'),
    initialRebalanceDelayMs: config.get('group.initial.rebalance.delay.ms'),
    groupSizeMax: config.get('group.max.size'),
    offsetMetadataLengthMax: config.get('offset.metadata.max.bytes'),
    offsetsRetentionMs: config.get('offsets.retention.minutes') * MINUTE_MS,
    offsetsRetentionCheckIntervalMs: Number(config.get('offsets.retention.check.interval.ms')),
  }
}

function runtimeSettings(config: BrokerConfig): RuntimeSettings {
  return {
    batchBytesMax: config.get('message.max.bytes'),
    loadChunkBytes: config.get('offsets.load.buffer.size'),
    compression: compressionName(config.get('offsets.topic.compression.codec')) ?? 'none',
  }
}

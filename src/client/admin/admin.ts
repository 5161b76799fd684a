// Owns the admin client a user holds: one method an operation, each with its deadline and its retries. The requests are built in the
// files beside this one. Invariant: a method over several resources answers for each of them, in the order asked, and rejects only
// when nothing could be asked at all.
import { CLIENT_OPTION_NAMES, type ClientOptions, checkOptionNames, resolveClientOptions } from '../client-options.ts'
import { type CallOptions, Cluster } from '../network/cluster.ts'
import type { KafkaError } from '../network/kafka-errors.ts'
import { type ClusterDescription, describeCluster } from './cluster-description.ts'
import {
  alterConfigs,
  type ConfigChange,
  type ConfigResource,
  describeConfigs,
  type DescribedConfigs,
  type DescribeConfigsOptions,
} from './configs.ts'
import {
  deleteGroups,
  describeGroups,
  type GroupDescription,
  type GroupListing,
  listGroups,
  type ListGroupsFilter,
} from './groups.ts'
import {
  deleteRecords,
  type DeletedRecords,
  listOffsets,
  type ListedOffset,
  type OffsetQuery,
  type RecordsToDelete,
} from './offsets.ts'
import {
  createPartitions,
  createTopics,
  type CreatedTopic,
  deleteTopics,
  describeTopics,
  listTopics,
  type NewPartitions,
  type NewTopic,
  type TopicDescription,
  type TopicListing,
} from './topics.ts'

export type AdminOptions = ClientOptions

export interface AdminCallOptions {
  /** Longest the call may take with its retries; the client's apiTimeoutMs unless given. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

export interface ValidatedCallOptions extends AdminCallOptions {
  /** Checks everything and changes nothing. */
  readonly validateOnly?: boolean
}

/** The outcome of one resource of a call over several. */
export interface Outcome {
  readonly error: KafkaError | null
}

export class Admin {
  readonly #cluster: Cluster

  constructor(options: AdminOptions) {
    checkOptionNames('an admin client', options, CLIENT_OPTION_NAMES)
    this.#cluster = new Cluster({
      ...resolveClientOptions(options),
      allowAutoTopicCreation: false,
      what: 'admin client',
    })
  }

  createTopics(topics: readonly NewTopic[], options: ValidatedCallOptions = {}): Promise<readonly CreatedTopic[]> {
    return createTopics(this.#cluster, this.#call(options), topics, options.validateOnly ?? false)
  }

  deleteTopics(
    names: readonly string[],
    options: AdminCallOptions = {},
  ): Promise<readonly (Outcome & { readonly name: string })[]> {
    return deleteTopics(this.#cluster, this.#call(options), names)
  }

  /** Every topic of the cluster, internal ones too, by name. */
  listTopics(options: AdminCallOptions = {}): Promise<readonly TopicListing[]> {
    return listTopics(this.#cluster, this.#call(options))
  }

  describeTopics(names: readonly string[], options: AdminCallOptions = {}): Promise<readonly TopicDescription[]> {
    return describeTopics(this.#cluster, this.#call(options), names)
  }

  createPartitions(
    topics: readonly NewPartitions[],
    options: ValidatedCallOptions = {},
  ): Promise<readonly (Outcome & { readonly name: string })[]> {
    return createPartitions(this.#cluster, this.#call(options), topics, options.validateOnly ?? false)
  }

  describeCluster(options: AdminCallOptions = {}): Promise<ClusterDescription> {
    return describeCluster(this.#cluster, this.#call(options))
  }

  describeConfigs(
    resources: readonly ConfigResource[],
    options: AdminCallOptions & DescribeConfigsOptions = {},
  ): Promise<readonly DescribedConfigs[]> {
    return describeConfigs(this.#cluster, this.#call(options), resources, options)
  }

  /** Changes only what is named; everything else of the resource stays as it is. */
  incrementalAlterConfigs(
    resources: readonly (ConfigResource & { readonly changes: readonly ConfigChange[] })[],
    options: ValidatedCallOptions = {},
  ): Promise<readonly (Outcome & ConfigResource)[]> {
    return alterConfigs(this.#cluster, this.#call(options), resources, options.validateOnly ?? false)
  }

  listOffsets(
    queries: readonly OffsetQuery[],
    options: AdminCallOptions & { readonly isolationLevel?: 'read_uncommitted' | 'read_committed' } = {},
  ): Promise<readonly ListedOffset[]> {
    return listOffsets(this.#cluster, this.#call(options), queries, options.isolationLevel ?? 'read_uncommitted')
  }

  /** Deletes the records before an offset; -1n means all that are readable now. */
  deleteRecords(
    partitions: readonly RecordsToDelete[],
    options: AdminCallOptions = {},
  ): Promise<readonly DeletedRecords[]> {
    return deleteRecords(this.#cluster, this.#call(options), partitions)
  }

  listGroups(options: AdminCallOptions & ListGroupsFilter = {}): Promise<readonly GroupListing[]> {
    return listGroups(this.#cluster, this.#call(options), options)
  }

  describeGroups(groupIds: readonly string[], options: AdminCallOptions = {}): Promise<readonly GroupDescription[]> {
    return describeGroups(this.#cluster, this.#call(options), groupIds)
  }

  deleteGroups(
    groupIds: readonly string[],
    options: AdminCallOptions = {},
  ): Promise<readonly (Outcome & { readonly groupId: string })[]> {
    return deleteGroups(this.#cluster, this.#call(options), groupIds)
  }

  /** Frees every socket and timer; calls under way fail with a ClientClosedError. */
  async close(): Promise<void> {
    this.#cluster.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #call(options: AdminCallOptions): CallOptions {
    return { deadline: this.#cluster.deadline(options.timeoutMs), signal: options.signal }
  }
}

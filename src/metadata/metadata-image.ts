// Owns what a node believes about the cluster at one offset of the metadata log. Never changes: a delta makes the next one.
// Invariant: byName and byId hold the same topics; two images share everything in which they do not differ.
import type { MetadataRecord } from '#protocol'
import type { BrokerImage, ControllerImage, TopicImage } from './images.ts'
import { PersistentMap } from './persistent-map.ts'

export class TopicsImage {
  static readonly empty = new TopicsImage(PersistentMap.empty, PersistentMap.empty)

  readonly #byName: PersistentMap<TopicImage>
  readonly #byId: PersistentMap<TopicImage>

  private constructor(byName: PersistentMap<TopicImage>, byId: PersistentMap<TopicImage>) {
    this.#byName = byName
    this.#byId = byId
  }

  byName(name: string): TopicImage | undefined {
    return this.#byName.get(name)
  }

  byId(topicId: string): TopicImage | undefined {
    return this.#byId.get(topicId)
  }

  get size(): number {
    return this.#byId.size
  }

  /** Every topic, in no particular order. */
  all(): IterableIterator<TopicImage> {
    return this.#byId.values()
  }

  with(topic: TopicImage): TopicsImage {
    return new TopicsImage(this.#byName.set(topic.name, topic), this.#byId.set(topic.topicId, topic))
  }

  without(topic: TopicImage): TopicsImage {
    // The name may already belong to a topic that was created anew.
    const sameName = this.#byName.get(topic.name)?.topicId === topic.topicId
    return new TopicsImage(sameName ? this.#byName.delete(topic.name) : this.#byName, this.#byId.delete(topic.topicId))
  }
}

const NO_CONFIGS: ReadonlyMap<string, string> = new Map()

export interface ConfigResource {
  readonly resourceType: number
  readonly resourceName: string
}

export class ConfigsImage {
  static readonly empty = new ConfigsImage(PersistentMap.empty)

  readonly #byResource: PersistentMap<ReadonlyMap<string, string>>

  private constructor(byResource: PersistentMap<ReadonlyMap<string, string>>) {
    this.#byResource = byResource
  }

  /** What is set for the resource; empty when nothing is. */
  get(resourceType: number, name: string): ReadonlyMap<string, string> {
    return this.#byResource.get(resourceKey(resourceType, name)) ?? NO_CONFIGS
  }

  *all(): Generator<ConfigResource & { readonly configs: ReadonlyMap<string, string> }> {
    for (const [key, configs] of this.#byResource.entries()) {
      const colon = key.indexOf(':')
      yield { resourceType: Number(key.slice(0, colon)), resourceName: key.slice(colon + 1), configs }
    }
  }

  with(resourceType: number, name: string, configs: ReadonlyMap<string, string>): ConfigsImage {
    const key = resourceKey(resourceType, name)
    return new ConfigsImage(configs.size === 0 ? this.#byResource.delete(key) : this.#byResource.set(key, configs))
  }
}

function resourceKey(resourceType: number, name: string): string {
  return `${resourceType}:${name}`
}

export interface MetadataImageParts {
  /** Last offset that is in the image; -1 before the first. */
  readonly offset: bigint
  /** Leader epoch of the batch at that offset; -1 before the first. */
  readonly epoch: number
  readonly topics: TopicsImage
  readonly brokers: ReadonlyMap<number, BrokerImage>
  readonly controllers: ReadonlyMap<number, ControllerImage>
  readonly configs: ConfigsImage
  /** Finalised levels; kraft.version is not among them, it lives in control records. */
  readonly features: ReadonlyMap<string, number>
  /** First producer id that was never given away. */
  readonly nextProducerId: bigint
  /** Records of kinds this version keeps but does not act on (ACLs, quotas, credentials, tokens), by what they are about. */
  readonly kept: PersistentMap<MetadataRecord>
  /** Records since a BeginTransactionRecord whose end has not come yet (KIP-868); null outside of one. */
  readonly transaction: readonly MetadataRecord[] | null
}

export class MetadataImage implements MetadataImageParts {
  static readonly empty = new MetadataImage({
    offset: -1n,
    epoch: -1,
    topics: TopicsImage.empty,
    brokers: new Map(),
    controllers: new Map(),
    configs: ConfigsImage.empty,
    features: new Map(),
    nextProducerId: 0n,
    kept: PersistentMap.empty,
    transaction: null,
  })

  readonly offset: bigint
  readonly epoch: number
  readonly topics: TopicsImage
  readonly brokers: ReadonlyMap<number, BrokerImage>
  readonly controllers: ReadonlyMap<number, ControllerImage>
  readonly configs: ConfigsImage
  readonly features: ReadonlyMap<string, number>
  readonly nextProducerId: bigint
  readonly kept: PersistentMap<MetadataRecord>
  readonly transaction: readonly MetadataRecord[] | null

  constructor(parts: MetadataImageParts) {
    this.offset = parts.offset
    this.epoch = parts.epoch
    this.topics = parts.topics
    this.brokers = parts.brokers
    this.controllers = parts.controllers
    this.configs = parts.configs
    this.features = parts.features
    this.nextProducerId = parts.nextProducerId
    this.kept = parts.kept
    this.transaction = parts.transaction
  }
}

// Owns what a node believes about the cluster at one offset of the metadata log. Never changes: a delta makes the next one.
// Invariant: byName and byId hold the same topics; two images share everything in which they do not differ.
import type { MetadataRecord } from '#protocol'
import type { BrokerImage, ControllerImage, QuorumImage, TopicImage } from './images.ts'
import { PersistentMap } from './persistent-map.ts'

/** Names that differ only by this share their metric names in Kafka, so one of them keeps the other out. */
const COLLIDING = /[._]/

export function collisionForm(name: string): string {
  return name.replaceAll('.', '_')
}

export class TopicsImage {
  static readonly empty = new TopicsImage(PersistentMap.empty, PersistentMap.empty, PersistentMap.empty)

  readonly #byName: PersistentMap<TopicImage>
  readonly #byId: PersistentMap<TopicImage>
  /** Names with a dot or an underscore, by their form without dots. */
  readonly #byForm: PersistentMap<readonly string[]>

  private constructor(
    byName: PersistentMap<TopicImage>,
    byId: PersistentMap<TopicImage>,
    byForm: PersistentMap<readonly string[]>,
  ) {
    this.#byName = byName
    this.#byId = byId
    this.#byForm = byForm
  }

  byName(name: string): TopicImage | undefined {
    return this.#byName.get(name)
  }

  byId(topicId: string): TopicImage | undefined {
    return this.#byId.get(topicId)
  }

  /** Another topic whose name differs from this one only by dots for underscores. */
  collidingName(name: string): string | undefined {
    return this.#byForm.get(collisionForm(name))?.find(other => other !== name)
  }

  get size(): number {
    return this.#byId.size
  }

  /** Every topic, in no particular order. */
  all(): IterableIterator<TopicImage> {
    return this.#byId.values()
  }

  with(topic: TopicImage): TopicsImage {
    const known = this.#byId.has(topic.topicId)
    const byForm = known ? this.#byForm : this.#formsWith(topic.name)
    return new TopicsImage(this.#byName.set(topic.name, topic), this.#byId.set(topic.topicId, topic), byForm)
  }

  without({ name, topicId }: TopicImage): TopicsImage {
    return new TopicsImage(this.#byName.delete(name), this.#byId.delete(topicId), this.#formsWithout(name))
  }

  #formsWith(name: string): PersistentMap<readonly string[]> {
    if (!COLLIDING.test(name)) return this.#byForm
    const form = collisionForm(name)
    return this.#byForm.set(form, [...(this.#byForm.get(form) ?? []), name])
  }

  #formsWithout(name: string): PersistentMap<readonly string[]> {
    const form = collisionForm(name)
    const left = (this.#byForm.get(form) ?? []).filter(other => other !== name)
    return left.length === 0 ? this.#byForm.delete(form) : this.#byForm.set(form, left)
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
  readonly quorum: QuorumImage
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
    quorum: { kraftVersion: 0, voters: null },
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
  readonly quorum: QuorumImage
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
    this.quorum = parts.quorum
    this.configs = parts.configs
    this.features = parts.features
    this.nextProducerId = parts.nextProducerId
    this.kept = parts.kept
    this.transaction = parts.transaction
  }
}

// Owns the partitions of one coordinator topic that this node leads. Never looks inside an event or a record.
import type { Host } from '#host'
import type { BatchCodec, ErrorName } from '#protocol'
import { PartitionRuntime, type RuntimeSettings } from './partition-runtime.ts'
import type { PartitionLogs } from './partition-logs.ts'
import type { CoordinatorKind, CoordinatorShard } from './shard.ts'

export interface CoordinatorRuntimeOptions<Event, Response, Rec> {
  readonly kind: CoordinatorKind<Event, Response, Rec>
  readonly host: Host
  readonly logs: PartitionLogs
  readonly batchCodec: BatchCodec
  readonly settings: RuntimeSettings
  /** Default: setImmediate, after all input of the present turn of the event loop has been handled. */
  readonly atEndOfTurn?: (flush: () => void) => void
}

export class CoordinatorRuntime<Event, Response, Rec> {
  readonly #options: CoordinatorRuntimeOptions<Event, Response, Rec>
  readonly #partitions = new Map<number, PartitionRuntime<Event, Response, Rec>>()

  constructor(options: CoordinatorRuntimeOptions<Event, Response, Rec>) {
    this.#options = options
  }

  /** Resolves once the partition answers requests (or could not be loaded, which is logged). */
  elect(partition: number, leaderEpoch: number): Promise<void> {
    let runtime = this.#partitions.get(partition)
    if (runtime === undefined) {
      const { atEndOfTurn, ...rest } = this.#options
      runtime = new PartitionRuntime({ ...rest, partition, atEndOfTurn: atEndOfTurn ?? (flush => setImmediate(flush)) })
      this.#partitions.set(partition, runtime)
    }
    return runtime.elect(leaderEpoch)
  }

  resign(partition: number): void {
    this.#partitions.get(partition)?.resign()
  }

  submit(partition: number, event: Event): Promise<Response> {
    const runtime = this.#partitions.get(partition)
    if (runtime === undefined) return Promise.resolve(this.#options.kind.refuse(event, 'NOT_COORDINATOR'))
    return runtime.submit(event)
  }

  read<T>(partition: number, look: (shard: CoordinatorShard<Event, Response, Rec>) => T): T | ErrorName {
    const runtime = this.#partitions.get(partition)
    return runtime === undefined ? 'NOT_COORDINATOR' : runtime.read(look)
  }

  /** Hands an event to every active partition. */
  postToAll(event: Event): void {
    for (const runtime of this.#partitions.values()) runtime.post(event)
  }

  /** Every partition this node was elected for, also those it has resigned since. */
  get partitions(): Iterable<number> {
    return this.#partitions.keys()
  }

  close(): void {
    for (const runtime of this.#partitions.values()) runtime.resign()
    this.#partitions.clear()
  }
}

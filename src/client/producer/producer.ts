// Owns the producer a user holds: send, flush, close, and the bound on buffered bytes. Decisions live in accumulator.ts, the wire in
// sender.ts. Invariant: every send() settles, by its outcome, by a timeout or by close(); records of one partition keep their order.
import { Cluster } from '../network/cluster.ts'
import { asKafkaError, ClientClosedError, KafkaError, timedOut } from '../network/kafka-errors.ts'
import { within } from '../network/waiting.ts'
import { Accumulator } from './accumulator.ts'
import { StickyPartitioner } from './partitioner.ts'
import {
  IDEMPOTENT_IN_FLIGHT_MAX,
  type ProducerOptions,
  type ResolvedProducerOptions,
  resolveProducerOptions,
} from './producer-options.ts'
import { type CheckedRecord, checkRecord, type ProducerRecord, type RecordMetadata } from './record.ts'
import { Sender } from './sender.ts'
import { type SendResult, Ticket } from './ticket.ts'

/** Some records of a send() failed. `results` has the outcome of each record, in the order given. */
export class SendError extends KafkaError {
  override name = 'SendError'
  readonly results: readonly SendResult[]

  constructor(first: KafkaError, results: readonly SendResult[]) {
    const failed = results.filter(result => result instanceof KafkaError).length
    super(
      first.code,
      results.length === 1 ? first.message : `${failed} of ${results.length} records failed: ${first.message}`,
      { cause: first },
    )
    this.results = results
  }
}

/** Records of one send() that wait for room in the buffer. */
interface Waiter {
  readonly ticket: Ticket
  readonly records: readonly (CheckedRecord | null)[]
  next: number
}

export class Producer {
  readonly #options: ResolvedProducerOptions
  readonly #cluster: Cluster
  readonly #accumulator: Accumulator
  readonly #sender: Sender
  readonly #open = new Set<Ticket>()
  readonly #waiters: Waiter[] = []
  #closing: Promise<void> | undefined

  constructor(options: ProducerOptions) {
    const resolved = resolveProducerOptions(options)
    this.#options = resolved
    this.#cluster = new Cluster({
      ...resolved.client,
      allowAutoTopicCreation: resolved.allowAutoTopicCreation,
      what: 'producer',
    })
    const draw = (maxExclusive: number): number => resolved.client.host.entropy.int(maxExclusive)
    const inFlightPerPartition = resolved.idempotence
      ? Math.min(resolved.inFlightMax, IDEMPOTENT_IN_FLIGHT_MAX)
      : resolved.inFlightMax
    this.#accumulator = new Accumulator(
      { ...resolved, inFlightPerPartition },
      new StickyPartitioner(resolved.batchBytes, draw),
    )
    this.#sender = new Sender(resolved, this.#cluster, this.#accumulator, () => this.#admitWaiters())
  }

  /** Bytes of records that are not settled yet, by an upper estimate. */
  get bufferedBytes(): number {
    return this.#accumulator.bufferedBytes
  }

  /** Sends one record or many; resolves when all are stored as `acks` asks, rejects with a SendError when any of them failed. */
  async send(record: ProducerRecord): Promise<readonly [RecordMetadata]>
  async send(records: readonly ProducerRecord[]): Promise<readonly RecordMetadata[]>
  async send(records: ProducerRecord | readonly ProducerRecord[]): Promise<readonly RecordMetadata[]> {
    const results = await this.sendSettled(Array.isArray(records) ? records : [records as ProducerRecord])
    const first = results.find(result => result instanceof KafkaError)
    if (first) throw new SendError(first as KafkaError, results)
    return results as readonly RecordMetadata[]
  }

  /** Like send(), but never rejects: the outcome of each record, in the order given, is its metadata or its error. */
  sendSettled(records: readonly ProducerRecord[]): Promise<readonly SendResult[]> {
    const ticket = new Ticket(records.length)
    if (this.#closing) {
      for (let index = 0; index < records.length; index++) ticket.settle(index, new ClientClosedError('producer'))
      return ticket.settled
    }
    this.#open.add(ticket)
    void ticket.settled.then(() => this.#open.delete(ticket))
    const waiter: Waiter = { ticket, records: this.#check(records, ticket), next: 0 }
    this.#waiters.push(waiter)
    this.#admitWaiters()
    if (waiter.next < waiter.records.length) this.#boundWait(waiter)
    this.#sender.wake()
    return ticket.settled
  }

  /** Sends what is buffered without lingering; resolves when everything sent before this call is settled. */
  async flush(): Promise<void> {
    const tickets = [...this.#open]
    this.#accumulator.flushBegan()
    this.#sender.wake()
    try {
      await Promise.all(tickets.map(ticket => ticket.settled))
    } finally {
      this.#accumulator.flushEnded()
    }
  }

  /** Flushes for at most `timeoutMs`, fails what is left with a ClientClosedError, and frees every socket and timer. Idempotent. */
  close({ timeoutMs = 30_000 }: { readonly timeoutMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(timeoutMs)
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(timeoutMs: number): Promise<void> {
    try {
      await within(
        this.#options.client.host,
        'flushing the producer',
        this.#cluster.deadline(timeoutMs),
        undefined,
        this.flush(),
      )
    } catch {
      // The time is up: what is left is failed below, each record with its own error.
    }
    const error = new ClientClosedError('producer')
    for (const waiter of this.#waiters.splice(0)) this.#failWaiter(waiter, error)
    this.#sender.close(error)
    this.#cluster.close()
    await Promise.all([...this.#open].map(ticket => ticket.settled))
  }

  /** A record that cannot be sent at all is settled at once and leaves a null in its place. */
  #check(records: readonly ProducerRecord[], ticket: Ticket): readonly (CheckedRecord | null)[] {
    const nowMs = BigInt(this.#options.client.host.clock.nowMs())
    const sizeMax = Math.min(this.#options.requestBytesMax, this.#options.bufferBytes)
    return records.map((record, index) => {
      try {
        const checked = checkRecord(record, nowMs)
        if (checked.sizeBytes <= sizeMax) return checked
        throw new KafkaError(
          'MESSAGE_TOO_LARGE',
          `a record of about ${checked.sizeBytes} bytes is above the producer's limit of ${sizeMax} (requestBytesMax, bufferBytes)`,
        )
      } catch (error) {
        ticket.settle(index, asKafkaError(error))
        return null
      }
    })
  }

  /** Moves waiting records into the accumulator, first come first served, as far as there is room. */
  #admitWaiters(): void {
    const nowMs = this.#options.client.host.clock.monotonicMs()
    for (let waiter = this.#waiters[0]; waiter; waiter = this.#waiters[0]) {
      if (!this.#admit(waiter, nowMs)) break
      this.#waiters.shift()
    }
    this.#sender.hurry(this.#waiters.length > 0)
  }

  /** False when the buffer is full before the last of the waiter's records is in. */
  #admit(waiter: Waiter, nowMs: number): boolean {
    for (; waiter.next < waiter.records.length; waiter.next++) {
      const record = waiter.records[waiter.next]
      if (!record) continue
      if (this.#accumulator.bufferedBytes + record.sizeBytes > this.#options.bufferBytes) return false
      const view = this.#sender.viewOf(record.topic)
      // A partition beyond those known may have been added since: the cluster is asked before the record is refused.
      const isBeyond = view !== undefined && record.partition !== null && record.partition >= view.partitionCount
      if (isBeyond) this.#sender.lookAgain()
      this.#accumulator.append(
        { record, ticket: waiter.ticket, index: waiter.next },
        isBeyond ? undefined : view,
        nowMs,
      )
    }
    return true
  }

  #boundWait(waiter: Waiter): void {
    const { maxBlockMs, bufferBytes, client } = this.#options
    const timer = client.host.timers.setTimer(maxBlockMs, () => {
      const at = this.#waiters.indexOf(waiter)
      if (at < 0) return
      this.#waiters.splice(at, 1)
      this.#failWaiter(
        waiter,
        timedOut(`waiting for room in the producer's buffer of ${bufferBytes} bytes`, maxBlockMs),
      )
      this.#admitWaiters()
    })
    void waiter.ticket.settled.then(() => timer.cancel())
  }

  #failWaiter(waiter: Waiter, error: KafkaError): void {
    for (; waiter.next < waiter.records.length; waiter.next++) {
      if (waiter.records[waiter.next]) waiter.ticket.settle(waiter.next, error)
    }
  }
}

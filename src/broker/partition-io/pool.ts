// Owns the threads for work on whole partitions: recovery and what else takes long and need not happen on a reactor. A job is a kind and a
// partition, and runs as one synchronous native call in a worker. To add a kind: `Job` here and in native/crates/broker/src/broker/partition_io.
// Invariants: no worker exists before the first job; a job ends, or is given up by the core, before the data plane closes.
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { uuidToBytes } from '#host'
import { addonFile, NativeError, type PartitionIoJob } from '#native'
import type { Piscina } from 'piscina'

export type Job =
  | { readonly kind: 'recover'; readonly topicId: string; readonly partition: number }
  | { readonly kind: 'compact' }

/** What a job did, in figures by name. */
export type JobFigures = Readonly<Record<string, number>>

export interface PartitionIoOptions {
  /** Of the broker, as the core knows it. */
  readonly handle: number
  /** Workers at most; fewer if the machine has fewer processors. */
  readonly threads: number
}

type Outcome =
  | { readonly figures: readonly JobFigures[] }
  | { readonly failure: { readonly code: string; readonly message: string } }

export class PartitionIo {
  readonly #handle: number
  readonly #threads: number
  #pool: Promise<Piscina> | undefined
  #closed = false

  constructor({ handle, threads }: PartitionIoOptions) {
    this.#handle = handle
    this.#threads = Math.max(1, Math.min(threads, availableParallelism()))
  }

  /** Jobs worth having under way at once: each worker has its next one waiting. The pool itself does not bound its queue. */
  get concurrency(): number {
    return this.#threads * 2
  }

  /** Runs one job to its end. Rejects with a NativeError: `CLOSED` once the core has stopped its jobs. */
  async run(job: Job): Promise<JobFigures> {
    const [figures = {}] = await this.runInTurn([job])
    return figures
  }

  /** Runs jobs one after the other in one worker: for many that are short beside the way to a worker. The first that fails ends them. */
  async runInTurn(jobs: readonly Job[]): Promise<readonly JobFigures[]> {
    if (this.#closed) throw new NativeError('CLOSED', 'the pool partition-io is closed')
    this.#pool ??= this.#start()
    const pool = await this.#pool
    const outcome = (await pool.run({ handle: this.#handle, jobs: jobs.map(nativeJob) })) as Outcome
    if ('failure' in outcome) throw new NativeError(outcome.failure.code, outcome.failure.message)
    return outcome.figures
  }

  /** Waits for the jobs under way; tell the core to give them up first. Workers are never terminated inside a native call. */
  async close(): Promise<void> {
    this.#closed = true
    const pool = await this.#pool
    await pool?.close()
  }

  async #start(): Promise<Piscina> {
    // Not loaded by a start that finds everything in order.
    const { Piscina } = await import('piscina')
    return new Piscina({
      filename: workerFile(),
      workerData: { addonFile: addonFile() },
      minThreads: 1,
      maxThreads: this.#threads,
      // The default blocks the event loop of an idle worker.
      atomics: 'async',
      idleTimeout: Number.POSITIVE_INFINITY,
    })
  }
}

function nativeJob(job: Job): PartitionIoJob {
  return job.kind === 'recover' ? { ...job, topicId: uuidToBytes(job.topicId) } : job
}

/** Beside this file in the source tree; in `dist` beside the bundles, or one folder up from their chunks. */
function workerFile(): string {
  const found = ['./worker.cjs', './partition-io-worker.cjs', '../partition-io-worker.cjs']
    .map(path => fileURLToPath(new URL(path, import.meta.url)))
    .find(path => existsSync(path))
  if (found === undefined)
    throw new NativeError('WORKER_MISSING', 'the worker of the pool partition-io is not installed')
  return found
}

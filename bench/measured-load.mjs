// Owns one measured run: the server's CPU and the client's CPU around a load.
import { setTimeout as sleep } from 'node:timers/promises'
import { touchMemory } from './opponents/limits.mjs'
import { childCpuSeconds, cpuBetween, cpuSeconds } from './process-cost.mjs'

/** Work that the load caused but that ends after it (acks on their way, write-behind in the process) still counts. */
const settleMs = 300

/** Beside the log's own bytes: librdkafka queues up to 1 GB of records, sockets and write-back take pages as well. */
const clientBytes = 2.5e9

/** Runs `load` and returns what it returned with `brokerCpu` and `clientCpu` in seconds. `newBytes`: page cache that the load will fill. */
export async function measureLoad(pid, load, { newBytes = 0 } = {}) {
  if (newBytes > 0) await touchMemory(newBytes + clientBytes)
  const broker = cpuSeconds(pid)
  const client = childCpuSeconds()
  const result = await load()
  const clientCpu = cpuBetween(client, childCpuSeconds())
  await sleep(settleMs)
  return { result, brokerCpu: cpuBetween(broker, cpuSeconds(pid)), clientCpu }
}

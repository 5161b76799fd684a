// Owns one measured run: the server's CPU and the client's CPU around a load.
import { setTimeout as sleep } from 'node:timers/promises'
import { childCpuSeconds, cpuBetween, cpuSeconds } from './process-cost.mjs'

/** Work that the load caused but that ends after it (acks on their way, write-behind in the process) still counts. */
const settleMs = 300

/** Runs `load` and returns what it returned with `brokerCpu` and `clientCpu` in seconds. */
export async function measureLoad(pid, load) {
  const broker = cpuSeconds(pid)
  const client = childCpuSeconds()
  const result = await load()
  const clientCpu = cpuBetween(client, childCpuSeconds())
  await sleep(settleMs)
  return { result, brokerCpu: cpuBetween(broker, cpuSeconds(pid)), clientCpu }
}

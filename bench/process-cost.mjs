// Owns what a process cost: CPU from /proc, peak memory, and what the children of this process used.
import { readFileSync } from 'node:fs'

const ticksPerSecond = 100 // USER_HZ: fixed by the kernel's ABI for /proc/PID/stat

const statFields = pid => {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The second field is the name in parentheses and may hold spaces.
  return text.slice(text.lastIndexOf(')') + 2).split(' ')
}

/** User and system seconds a running process has used. */
export function cpuSeconds(pid) {
  const fields = statFields(pid)
  return { user: Number(fields[11]) / ticksPerSecond, system: Number(fields[12]) / ticksPerSecond }
}

/** User and system seconds of the ended children of this process. */
export function childCpuSeconds() {
  const fields = statFields('self')
  return { user: Number(fields[13]) / ticksPerSecond, system: Number(fields[14]) / ticksPerSecond }
}

export function cpuBetween(before, after) {
  const user = after.user - before.user
  const system = after.system - before.system
  return { user, system, total: user + system }
}

/** Resident set now and its peak, in MB. */
export function residentMegabytes(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const kilobytes = name => Number(status.match(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm'))?.[1] ?? 0)
  return { now: kilobytes('VmRSS') / 1024, peak: kilobytes('VmHWM') / 1024 }
}

/** The machine, as printed beside every figure. */
export function machine() {
  const cpu = readFileSync('/proc/cpuinfo', 'utf8')
  const memory = readFileSync('/proc/meminfo', 'utf8')
  return {
    cpu: cpu.match(/^model name\s*: (.*)$/m)?.[1] ?? 'unknown',
    cores: cpu.match(/^processor/gm)?.length ?? 0,
    memoryGiB: Math.round(Number(memory.match(/^MemTotal:\s+(\d+)/m)?.[1] ?? 0) / 1024 / 1024),
    kernel: readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim(),
    node: process.version,
  }
}

// Owns how a row's result reads: a table with the machine and the settings beside the figures.
import { median } from './rounds.mjs'

const units = {
  megabytesPerSecond: 'MB/s',
  gigabytesPerSecond: 'GB/s',
  recordsPerSecond: 'records/s',
  cpuPerGB: 'broker cpu-s/GB',
  cpuUserPerGB: 'user',
  cpuSystemPerGB: 'system',
  cpuPerMillion: 'broker cpu-s per million',
  clientCpuPerGB: 'client cpu-s/GB',
  rssPeakMB: 'peak RSS MB',
  p50Us: 'p50 µs',
  p99Us: 'p99 µs',
  p999Us: 'p99.9 µs',
  readyMs: 'ready ms',
  idleRssMB: 'idle RSS MB',
  nanoseconds: 'ns per call',
  appendNs: 'append, ns',
  burstNs: 'append in a burst of 1 MiB, ns',
  batchGB: 'append of 256, GB/s',
  packedGB: 'append of 256 packed, GB/s',
  readNs: 'random read, ns',
  viewNs: 'random view, ns',
  scanGB: 'scan, GB/s',
  createMs: 'create ms',
  restartMs: 'restart ms',
  killedRestartMs: 'restart after kill -9 ms',
  kilobytesPerPartition: 'KB a partition',
  kilobytesPerConnection: 'KB a connection',
  firstTouchP99Us: 'first touch p99 µs',
  oneP99Us: 'one partition p99 µs',
  manyP99Us: 'many p99 µs',
  manyOverOneP99: 'many / one',
  firstAckMs: 'first ack ms',
  activeGiB: 'active GiB',
}

const short = value =>
  value === undefined || Number.isNaN(value)
    ? ''
    : value >= 1000
      ? Math.round(value).toLocaleString('en')
      : String(Number(value.toPrecision(3)))

function cell(samples, figure) {
  const values = samples.map(sample => sample[figure]).filter(value => value !== undefined)
  return values.length === 0
    ? ''
    : `${short(median(values))} (${short(Math.min(...values))}–${short(Math.max(...values))})`
}

const rangeRows = (title, entries) =>
  entries === undefined
    ? ''
    : `\n| ${title} | median | min | max |\n|---|---|---|---|\n${Object.entries(entries)
        .map(
          ([name, { median: middle, min, max }]) =>
            `| ${name} | **${short(middle)}** | ${short(min)} | ${short(max)} |`,
        )
        .join('\n')}\n`

export function tableOf(result) {
  const { machine } = result
  const head = `| | ${result.figures.map(figure => units[figure] ?? figure).join(' | ')} |\n|---|${result.figures.map(() => '---|').join('')}`
  const body = Object.entries(result.samples).map(
    ([name, samples]) => `| ${name} | ${result.figures.map(figure => cell(samples, figure)).join(' | ')} |`,
  )
  return `## Row ${result.row}: ${result.title}

${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Linux ${machine.kernel}, Node ${machine.node}; ${result.at.slice(0, 10)}
${Object.entries(result.settings)
  .map(([name, value]) => `${name}: ${value}`)
  .join('; ')}
Command: \`${result.command}\`. Median (min–max) over the rounds; limit, peer and ours alternate.

${head}
${body.join('\n')}
${rangeRows('ratio', result.ratios)}${rangeRows('difference', result.differences)}${result.limitSpread ? `\nThe limit itself: ${short(result.limitSpread.median)} cpu-s/GB (${short(result.limitSpread.min)}–${short(result.limitSpread.max)}).\n` : ''}`
}

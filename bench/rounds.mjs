// Owns the method of every row: contenders alternate, a round at a time, and a figure is the median over rounds, told as a ratio with its range.
// Why: absolute times drift on shared machines; what one run measures side by side does not. See bench/README.md.

import { settleDisk } from './settled-disk.mjs'

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/**
 * Runs every contender once a round, in turn, and returns all samples by contender name.
 * A contender is `{ name, run(round) → { [figure]: number } }`. The first `warmUp` rounds are thrown away.
 */
export async function alternate(contenders, { rounds, warmUp = 0, log }) {
  const samples = Object.fromEntries(contenders.map(contender => [contender.name, []]))
  for (let round = -warmUp; round < rounds; round += 1) {
    for (const contender of contenders) {
      settleDisk()
      const sample = await contender.run(round)
      log(`${round < 0 ? 'warm-up' : `round ${round + 1}/${rounds}`} ${contender.name}: ${describe(sample)}`)
      if (round >= 0) samples[contender.name].push(sample)
    }
  }
  return samples
}

const describe = sample =>
  Object.entries(sample)
    .map(([name, value]) => `${name} ${typeof value === 'number' ? Number(value.toPrecision(4)) : value}`)
    .join(', ')

/** Median of one figure for one contender. */
export const medianOf = (samples, contender, figure) => median(samples[contender].map(sample => sample[figure]))

/** Ratio of two contenders round by round: median, smallest and largest. */
export function ratio(samples, above, below, figure) {
  const values = samples[above].map((sample, round) => sample[figure] / samples[below][round][figure])
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) }
}

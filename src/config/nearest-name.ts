// Owns the guess at what a misspelled name was meant to be.

/** The known name within a third of the letters of `name`, the closest one, or null. */
export function nearestName(name: string, known: Iterable<string>): string | null {
  let best: string | null = null
  let bestDistance = Math.floor(name.length / 3) + 1
  for (const candidate of known) {
    if (Math.abs(candidate.length - name.length) >= bestDistance) continue
    const distance = editDistance(name, candidate, bestDistance)
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** Insertions, deletions and replacements from one to the other; `limit` as soon as it is certain to be reached. */
function editDistance(from: string, to: string, limit: number): number {
  let previous = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let row = 1; row <= from.length; row++) {
    const current = [row]
    let lowest = row
    for (let column = 1; column <= to.length; column++) {
      const replaced = (previous[column - 1] as number) + (from[row - 1] === to[column - 1] ? 0 : 1)
      const cell = Math.min(replaced, (previous[column] as number) + 1, (current[column - 1] as number) + 1)
      current.push(cell)
      lowest = Math.min(lowest, cell)
    }
    if (lowest >= limit) return limit
    previous = current
  }
  return previous[to.length] as number
}

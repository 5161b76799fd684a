// Owns the finding of what a request names twice. Costs one pass: requests may name ten thousand topics.

export interface Unique<T> {
  /** The first of each key, in order. */
  readonly items: readonly T[]
  /** Keys that came more than once. */
  readonly twice: ReadonlySet<string>
}

export function uniqueBy<T>(all: readonly T[], keyOf: (item: T) => string): Unique<T> {
  const firsts = new Map<string, T>()
  const twice = new Set<string>()
  for (const item of all) {
    const key = keyOf(item)
    if (firsts.has(key)) twice.add(key)
    else firsts.set(key, item)
  }
  return { items: [...firsts.values()], twice }
}

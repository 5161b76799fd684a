// Owns keeping the process alive while a broker starts or stops: nothing else of it does, and half a start helps nobody.

const HOLD_MS = 2 ** 30

export async function holdingProcess<T>(work: () => Promise<T>): Promise<T> {
  const hold = setInterval(() => {}, HOLD_MS)
  try {
    return await work()
  } finally {
    clearInterval(hold)
  }
}

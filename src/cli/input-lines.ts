// Owns cutting a byte stream into lines. Never decodes: a line is bytes, without its line feed.
// Invariant: a line longer than the limit is an error, not a buffer that grows for ever.

/** A broker takes no record near this size. */
export const LINE_BYTES_MAX = 64 * 1024 * 1024

const LINE_FEED = 0x0a

/** The lines of each chunk together, so that a million short lines are not a million turns of the event loop. */
export async function* inputLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<readonly Buffer[]> {
  let rest: Buffer[] = []
  let restBytes = 0
  for await (const chunk of chunks) {
    const lines: Buffer[] = []
    let start = 0
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, start)) {
      lines.push(rest.length === 0 ? chunk.subarray(start, end) : Buffer.concat([...rest, chunk.subarray(start, end)]))
      rest = []
      restBytes = 0
      start = end + 1
    }
    if (start < chunk.length) {
      rest.push(chunk.subarray(start))
      restBytes += chunk.length - start
      if (restBytes > LINE_BYTES_MAX) throw new RangeError(`a line is longer than ${LINE_BYTES_MAX} bytes`)
    }
    if (lines.length > 0) yield lines
  }
  // The last line may lack its line feed.
  if (restBytes > 0) yield [Buffer.concat(rest)]
}

// Owns writing of Kafka's primitive types into a growing buffer. Never wraps a number that does not fit: it throws.
import { STRING_BYTES_MAX } from './reader.ts'

const INITIAL_BYTES = 1024
/** A larger buffer is handed over to the caller instead of being copied and kept. */
export const HAND_OVER_BYTES = 64 * 1024
const UUID_TEXT_LENGTH = 22

export class Writer {
  private buffer: Buffer
  position = 0

  constructor(initialBytes = INITIAL_BYTES) {
    this.buffer = Buffer.allocUnsafeSlow(initialBytes)
  }

  reset(): void {
    this.position = 0
  }

  /** The bytes written so far as a buffer of their own; the writer is empty afterwards. */
  take(): Buffer {
    const length = this.position
    this.position = 0
    if (length >= HAND_OVER_BYTES) {
      const taken = this.buffer.subarray(0, length)
      this.buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES)
      return taken
    }
    return Buffer.from(this.buffer.subarray(0, length))
  }

  /** A view of what was written from `start` on; valid until the next write. */
  written(start = 0): Buffer {
    return this.buffer.subarray(start, this.position)
  }

  /** Claims `count` bytes and returns where they start. */
  private claim(count: number): number {
    const start = this.position
    const end = start + count
    if (end > this.buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(end, this.buffer.length * 2))
      this.buffer.copy(grown, 0, 0, start)
      this.buffer = grown
    }
    this.position = end
    return start
  }

  bool(value: boolean): void {
    const at = this.claim(1)
    this.buffer[at] = value ? 1 : 0
  }
  int8(value: number): void {
    const at = this.claim(1)
    this.buffer.writeInt8(value, at)
  }
  int16(value: number): void {
    const at = this.claim(2)
    this.buffer.writeInt16BE(value, at)
  }
  uint16(value: number): void {
    const at = this.claim(2)
    this.buffer.writeUInt16BE(value, at)
  }
  int32(value: number): void {
    const at = this.claim(4)
    this.buffer.writeInt32BE(value, at)
  }
  uint32(value: number): void {
    const at = this.claim(4)
    this.buffer.writeUInt32BE(value, at)
  }
  int64(value: bigint): void {
    const at = this.claim(8)
    this.buffer.writeBigInt64BE(value, at)
  }
  float64(value: number): void {
    const at = this.claim(8)
    this.buffer.writeDoubleBE(value, at)
  }

  uuid(text: string): void {
    const at = this.claim(16)
    if (text.length !== UUID_TEXT_LENGTH || this.buffer.write(text, at, 16, 'base64url') !== 16) {
      throw new RangeError(`'${text}' is not a 22-character base64url uuid`)
    }
  }

  unsignedVarint(value: number): void {
    if (!(value >= 0 && value <= 0xffffffff)) throw new RangeError(`${value} is not an unsigned 32-bit number`)
    let rest = value >>> 0
    const at = this.claim(5)
    const buffer = this.buffer
    let end = at
    while (rest >= 0x80) {
      buffer[end] = (rest & 0x7f) | 0x80
      end += 1
      rest >>>= 7
    }
    buffer[end] = rest
    this.position = end + 1
  }

  varint(value: number): void {
    if (value !== (value | 0)) throw new RangeError(`${value} is not a 32-bit number`)
    this.unsignedVarint(((value << 1) ^ (value >> 31)) >>> 0)
  }

  varlong(value: bigint): void {
    if (value >= -0x40000000n && value < 0x40000000n) {
      this.varint(Number(value))
      return
    }
    if (value !== BigInt.asIntN(64, value)) throw new RangeError(`${value} is not a 64-bit number`)
    let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
    const at = this.claim(10)
    let end = at
    while (rest >= 0x80n) {
      this.buffer[end] = Number(rest & 0x7fn) | 0x80
      end += 1
      rest >>= 7n
    }
    this.buffer[end] = Number(rest)
    this.position = end + 1
  }

  raw(bytes: Uint8Array): void {
    const at = this.claim(bytes.length)
    this.buffer.set(bytes, at)
  }

  string(value: string, compact: boolean): void {
    const length = Buffer.byteLength(value)
    if (length > STRING_BYTES_MAX) throw new RangeError(`string of ${length} bytes; the limit is ${STRING_BYTES_MAX}`)
    if (compact) this.unsignedVarint(length + 1)
    else this.int16(length)
    const at = this.claim(length)
    this.buffer.write(value, at, length, 'utf8')
  }

  nullString(compact: boolean): void {
    if (compact) this.unsignedVarint(0)
    else this.int16(-1)
  }

  nullableString(value: string | null, compact: boolean): void {
    if (value === null) this.nullString(compact)
    else this.string(value, compact)
  }

  /** Count of an array or length of bytes; -1 is null. */
  length(count: number, compact: boolean): void {
    if (compact) this.unsignedVarint(count + 1)
    else this.int32(count)
  }

  /** Writes `size varint + body` for a body whose size is known only afterwards. */
  sized(body: () => void): void {
    const sizeAt = this.claim(1)
    body()
    const length = this.position - sizeAt - 1
    if (length < 0x80) {
      this.buffer[sizeAt] = length
      return
    }
    const copy = Buffer.from(this.buffer.subarray(sizeAt + 1, this.position))
    this.position = sizeAt
    this.unsignedVarint(length)
    this.raw(copy)
  }

  /** Overwrites four bytes written before. */
  patchInt32(at: number, value: number): void {
    this.buffer.writeInt32BE(value, at)
  }
  patchUint32(at: number, value: number): void {
    this.buffer.writeUInt32BE(value, at)
  }
}

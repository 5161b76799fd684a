// Owns reading of Kafka's primitive types from a byte range. Never reads outside [position, end) and never allocates more
// than a constant factor of what is there. Invariant: a length or count is compared with what remains before it is used.
import { isUtf8 } from 'node:buffer'
import { WireError } from './wire-error.ts'

/** At the limit the frame is refused: even one-byte elements cost ~100 bytes of heap each once decoded. */
export const FRAME_ELEMENTS_MAX = 4 * 1024 * 1024
export const STRING_BYTES_MAX = 0x7fff

export class Reader {
  readonly buffer: Buffer
  readonly end: number
  position: number
  private elementsLeft = FRAME_ELEMENTS_MAX

  constructor(buffer: Buffer, position = 0, end = buffer.length) {
    if (position < 0 || end > buffer.length || position > end) throw new RangeError('reader range outside its buffer')
    this.buffer = buffer
    this.position = position
    this.end = end
  }

  get remaining(): number {
    return this.end - this.position
  }

  /** Claims the next `count` bytes and returns where they start. */
  advance(count: number): number {
    const start = this.position
    if (count > this.end - start) {
      throw new WireError('truncated', `${count} bytes needed at ${start}, ${this.end - start} left`)
    }
    this.position = start + count
    return start
  }

  bool(): boolean {
    return this.buffer[this.advance(1)] !== 0
  }
  int8(): number {
    return this.buffer.readInt8(this.advance(1))
  }
  uint8(): number {
    return this.buffer.readUInt8(this.advance(1))
  }
  int16(): number {
    return this.buffer.readInt16BE(this.advance(2))
  }
  uint16(): number {
    return this.buffer.readUInt16BE(this.advance(2))
  }
  int32(): number {
    return this.buffer.readInt32BE(this.advance(4))
  }
  uint32(): number {
    return this.buffer.readUInt32BE(this.advance(4))
  }
  int64(): bigint {
    return this.buffer.readBigInt64BE(this.advance(8))
  }
  float64(): number {
    return this.buffer.readDoubleBE(this.advance(8))
  }
  uuid(): string {
    const start = this.advance(16)
    return this.buffer.toString('base64url', start, start + 16)
  }

  /** Unsigned varint of at most 5 bytes and 32 bits. */
  unsignedVarint(): number {
    let value = 0
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.buffer[this.advance(1)] as number
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    const last = this.buffer[this.advance(1)] as number
    if (last > 0x0f) throw new WireError('varint', 'varint holds more than 32 bits')
    return value + last * 0x10000000
  }

  /** Zigzag varint of at most 32 bits. */
  varint(): number {
    const raw = this.unsignedVarint()
    return (raw >>> 1) ^ -(raw & 1)
  }

  /** Zigzag varint of at most 10 bytes and 64 bits. */
  varlong(): bigint {
    let low = 0
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.buffer[this.advance(1)] as number
      low |= (byte & 0x7f) << shift
      if (byte < 0x80) return BigInt((low >>> 1) ^ -(low & 1))
    }
    let value = BigInt(low)
    for (let shift = 28n; shift < 63n; shift += 7n) {
      const byte = this.buffer[this.advance(1)] as number
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return (value >> 1n) ^ -(value & 1n)
    }
    const last = this.buffer[this.advance(1)] as number
    if (last > 1) throw new WireError('varint', 'varlong holds more than 64 bits')
    value |= BigInt(last) << 63n
    return BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n))
  }

  /** Length prefix of a string: -1 is null. */
  stringLength(compact: boolean): number {
    const length = compact ? this.unsignedVarint() - 1 : this.int16()
    if (length < -1 || length > STRING_BYTES_MAX) throw new WireError('length', `string of ${length} bytes`)
    return length
  }

  /** Length prefix of bytes: -1 is null. */
  bytesLength(compact: boolean): number {
    const length = compact ? this.unsignedVarint() - 1 : this.int32()
    if (length < -1) throw new WireError('length', `bytes of length ${length}`)
    return length
  }

  /** Count prefix of an array: -1 is null. `elementBytesMin` bounds how many can follow in what remains. */
  arrayCount(compact: boolean, elementBytesMin: number): number {
    const count = compact ? this.unsignedVarint() - 1 : this.int32()
    if (count < -1) throw new WireError('length', `array of ${count} elements`)
    if (count > 0) {
      if (count * elementBytesMin > this.remaining) {
        throw new WireError('length', `array of ${count} elements cannot fit in ${this.remaining} bytes`)
      }
      this.elementsLeft -= count
      if (this.elementsLeft < 0) throw new WireError('length', `more than ${FRAME_ELEMENTS_MAX} elements in one frame`)
    }
    return count
  }

  utf8(byteLength: number): string {
    const start = this.advance(byteLength)
    const end = start + byteLength
    const buffer = this.buffer
    let at = start
    while (at < end && (buffer[at] as number) < 0x80) at += 1
    if (at === end) return buffer.toString('latin1', start, end)
    if (!isUtf8(buffer.subarray(at, end))) throw new WireError('utf8', 'string is not UTF-8')
    return buffer.toString('utf8', start, end)
  }

  /** A view of the next bytes, not a copy. */
  view(byteLength: number): Buffer {
    const start = this.advance(byteLength)
    return this.buffer.subarray(start, start + byteLength)
  }

  string(compact: boolean): string {
    const length = this.stringLength(compact)
    if (length < 0) throw new WireError('null', 'null string')
    return this.utf8(length)
  }

  nullableString(compact: boolean): string | null {
    const length = this.stringLength(compact)
    return length < 0 ? null : this.utf8(length)
  }

  /** Steps over a tagged-field section nobody asked for. */
  skipTaggedFields(): void {
    const count = this.unsignedVarint()
    if (count * 2 > this.remaining) throw new WireError('length', `${count} tagged fields`)
    for (let index = 0; index < count; index += 1) {
      this.unsignedVarint()
      this.advance(this.unsignedVarint())
    }
  }
}

// Owns the packed form of many records in one buffer, which crosses into the core in one call. The layout is drawn in
// docs/guide/log.md and in native/crates/embedded/src/packed.rs. Never keeps a record. Invariant: `bytes` holds whole records only.
import { LogError } from './log-error.ts'
import { type Bytes, bytesOf } from './record-input.ts'

const SIZES_BYTES = 8
const NONE = 0xffff_ffff

/** A reusable buffer of records. `clear` it after the append: the log has copied what it needs. */
export class PackedRecords {
  #bytes: Buffer
  #end = 0
  #count = 0

  constructor(initialBytes = 64 * 1024) {
    this.#bytes = Buffer.allocUnsafeSlow(initialBytes)
  }

  /** Takes bytes that were packed elsewhere, without a copy. `count` records, as the layout says. */
  static of(bytes: Uint8Array, count: number): PackedRecords {
    const packed = new PackedRecords(0)
    packed.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    packed.#end = bytes.byteLength
    packed.#count = count
    return packed
  }

  get count(): number {
    return this.#count
  }

  /** The packed bytes so far, as a view. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#end)
  }

  add(value: Bytes | null, key: Bytes | null = null): this {
    const valueBytes = value === null ? null : bytesOf(value, 'value')
    const keyBytes = key === null ? null : bytesOf(key, 'key')
    const size = SIZES_BYTES + (keyBytes?.length ?? 0) + (valueBytes?.length ?? 0)
    if (this.#end + size > this.#bytes.length) this.#grow(size)
    const bytes = this.#bytes
    let at = this.#end
    bytes.writeUInt32LE(keyBytes === null ? NONE : keyBytes.length, at)
    bytes.writeUInt32LE(valueBytes === null ? NONE : valueBytes.length, at + 4)
    at += SIZES_BYTES
    if (keyBytes !== null) {
      bytes.set(keyBytes, at)
      at += keyBytes.length
    }
    if (valueBytes !== null) bytes.set(valueBytes, at)
    this.#end += size
    this.#count += 1
    return this
  }

  clear(): this {
    this.#end = 0
    this.#count = 0
    return this
  }

  #grow(needed: number): void {
    const size = Math.max(this.#bytes.length * 2, this.#end + needed)
    if (size > 0x7fff_ffff) throw new LogError('INVALID_RECORD', 'packed records are smaller than 2 GiB')
    const grown = Buffer.allocUnsafeSlow(size)
    grown.set(this.#bytes.subarray(0, this.#end))
    this.#bytes = grown
  }
}

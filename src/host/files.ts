// Owns small files of the control plane (quorum state, snapshots, settings). Never touches segments: those are native's.
// Invariant: after writeAtomic the path holds either the old bytes or the new ones, on disk, whatever happens.
import {
  close,
  closeSync,
  existsSync,
  fdatasyncSync,
  fsync,
  fsyncSync,
  mkdirSync,
  open,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rename,
  renameSync,
  rmSync,
  statSync,
  writeFile,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { promisify } from 'node:util'

export interface Files {
  /** Null when there is no such file. Any other failure throws. */
  read(path: string): Buffer | null
  /** At most `maxBytes` from `position`; shorter at the end of the file. Throws when there is no such file. */
  readAt(path: string, position: number, maxBytes: number): Buffer
  sizeBytes(path: string): number
  exists(path: string): boolean
  /** Names in a directory, sorted; empty when there is no such directory. */
  list(directory: string): string[]
  /** Creates it and its parents; fine when it exists. */
  makeDirectory(path: string): void
  /** Fine when it does not exist. */
  remove(path: string): void
  /** Temporary file beside it, fsync, rename over it, fsync of the directory; off the event loop. */
  writeAtomic(path: string, data: string | Uint8Array): Promise<void>
  /** The same, blocking: for start-up, where the next step needs it on disk. */
  writeAtomicSync(path: string, data: string | Uint8Array): void
}

/** Not node:fs/promises, which a start would load for the one small file it writes: 20 modules. */
const later = {
  open: promisify(open),
  writeFile: promisify(writeFile),
  fsync: promisify(fsync),
  rename: promisify(rename),
  close: promisify(close),
}

const temporary = (path: string): string => `${path}.tmp`

export const realFiles: Files = {
  read(path) {
    try {
      return readFileSync(path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
      throw error
    }
  },

  readAt(path, position, maxBytes) {
    const file = openSync(path, 'r')
    try {
      const buffer = Buffer.allocUnsafe(maxBytes)
      let filled = 0
      while (filled < maxBytes) {
        const count = readSync(file, buffer, filled, maxBytes - filled, position + filled)
        if (count === 0) break
        filled += count
      }
      return buffer.subarray(0, filled)
    } finally {
      closeSync(file)
    }
  },

  sizeBytes: path => statSync(path).size,
  exists: path => existsSync(path),

  list(directory) {
    try {
      return readdirSync(directory).sort()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
      throw error
    }
  },

  makeDirectory(path) {
    mkdirSync(path, { recursive: true })
  },

  remove(path) {
    rmSync(path, { force: true })
  },

  async writeAtomic(path, data) {
    const file = await later.open(temporary(path), 'w', 0o644)
    try {
      await later.writeFile(file, data)
      await later.fsync(file)
    } finally {
      await later.close(file)
    }
    await later.rename(temporary(path), path)
    const directory = await later.open(dirname(path), 'r')
    try {
      await later.fsync(directory)
    } finally {
      await later.close(directory)
    }
  },

  writeAtomicSync(path, data) {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data
    const file = openSync(temporary(path), 'w', 0o644)
    try {
      let written = 0
      while (written < bytes.length) written += writeSync(file, bytes, written)
      fdatasyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(temporary(path), path)
    const directory = openSync(dirname(path), 'r')
    try {
      fsyncSync(directory)
    } finally {
      closeSync(directory)
    }
  },
}

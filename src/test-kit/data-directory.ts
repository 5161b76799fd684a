// Owns the directories of test brokers. Invariant: each is removed once, at the latest when the process exits.
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A file system in memory, where Linux has one: writes and syncs cost next to nothing. */
const MEMORY_DIRECTORY = '/dev/shm'

const directories = new Set<string>()

export function makeDataDirectory(storage: 'memory' | 'disk'): string {
  const parent = storage === 'memory' && isWritable(MEMORY_DIRECTORY) ? MEMORY_DIRECTORY : tmpdir()
  const directory = mkdtempSync(join(parent, 'millrace-test-'))
  if (directories.size === 0) process.once('exit', removeAll)
  directories.add(directory)
  return directory
}

export function removeDataDirectory(directory: string): void {
  if (!directories.delete(directory)) return
  if (directories.size === 0) process.removeListener('exit', removeAll)
  remove(directory)
}

function removeAll(): void {
  for (const directory of directories) remove(directory)
  directories.clear()
}

function remove(directory: string): void {
  rmSync(directory, { recursive: true, force: true })
}

function isWritable(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK)
    return true
  } catch {
    return false
  }
}

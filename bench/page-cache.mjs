// Owns the state of memory before a run. A virtual machine hands free guest memory back to its host; touching it again costs
// 1-2 s of system time per GB, which would be read as a server's cost. So the cache is filled once, and rows delete nothing between rounds.
import { execFileSync } from 'node:child_process'
import { closeSync, existsSync, openSync, statSync, unlinkSync, writeSync } from 'node:fs'
import { freemem, totalmem } from 'node:os'
import { join } from 'node:path'

/** Writes a filler file until most of memory holds page cache; the kernel evicts it page by page as the rows write. */
export function fillPageCache(directory, log) {
  const path = join(directory, 'filler')
  if (existsSync(path) && statSync(path).size > 0) unlinkSync(path)
  const gigabytes = Math.floor((freemem() - totalmem() * 0.12) / 1e9)
  if (gigabytes <= 0) return path
  log(`filling the page cache with ${gigabytes} GB`)
  const file = openSync(path, 'w')
  const chunk = Buffer.alloc(16 * 1024 * 1024, 0x5a)
  for (let written = 0; written < gigabytes * 1e9; written += chunk.length) writeSync(file, chunk)
  closeSync(file)
  settleDisk()
  return path
}

/** Lets what earlier runs wrote reach the disk, so that the next run does not pay for their write-back. */
export function settleDisk() {
  execFileSync('sync')
}

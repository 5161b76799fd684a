// Owns a small file system of its own for a test to break: an image file on a loop device, or a tmpfs of limited size.
// Needs root. A cut is the kernel's own shutdown of a mounted file system: what was not synced is gone, as when the power goes.
import { execFileSync } from 'node:child_process'
import { closeSync, existsSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BrokerProcess } from '../clients/broker-process.ts'

const run = (command: string, ...args: string[]) => execFileSync(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })

export class MountedImage {
  readonly path: string
  readonly #directory: string
  readonly #mountArguments: readonly string[]

  private constructor(directory: string, mountArguments: readonly string[]) {
    this.#directory = directory
    this.path = join(directory, 'mounted')
    mkdirSync(this.path)
    this.#mountArguments = mountArguments
  }

  static onLoopDevice(kind: 'ext4' | 'xfs', bytes: number): MountedImage {
    const directory = mkdtempSync(join(tmpdir(), 'millrace-faults-'))
    const image = join(directory, 'image')
    const file = openSync(image, 'w')
    ftruncateSync(file, bytes)
    closeSync(file)
    // The image is sparse, and so is what the file system writes into it when it is made.
    if (kind === 'ext4') run('mkfs.ext4', '-q', '-F', image)
    else run('mkfs.xfs', '-q', '-f', image)
    const mounted = new MountedImage(directory, ['-o', 'loop', image])
    mounted.mount()
    return mounted
  }

  static inMemory(bytes: number): MountedImage {
    const directory = mkdtempSync(join(tmpdir(), 'millrace-faults-'))
    const mounted = new MountedImage(directory, ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs'])
    mounted.mount()
    return mounted
  }

  mount(): void {
    run('mount', ...this.#mountArguments, this.path)
  }

  /** The power goes. From now on everything under `path` fails; `remount` shows what the disk has. `log-flushed` lets the file system's journal
   *  through first: files then have names and lengths without their contents. */
  cutPower(kind: 'log-lost' | 'log-flushed' = 'log-lost'): void {
    run('xfs_io', '-x', '-c', kind === 'log-flushed' ? 'shutdown -f' : 'shutdown', this.path)
  }

  remount(): void {
    run('umount', this.path)
    this.mount()
  }

  remove(): void {
    if (existsSync(this.path)) run('umount', this.path)
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

/** The power of the machine goes, and comes back. The broker is frozen first, as nothing answers after the power has gone: while a file system
 *  is being shut down, fdatasync answers 0 for data that is lost. A bare loop of pwrite and fdatasync shows it, on ext4 and on XFS. */
export async function losePower(
  image: MountedImage,
  broker: BrokerProcess,
  kind: 'log-lost' | 'log-flushed',
): Promise<void> {
  process.kill(broker.pid, 'SIGSTOP')
  image.cutPower(kind)
  await broker.stop('SIGKILL')
  image.remount()
}

// Owns what the fault tests need of the machine: foreign clients, root for mounting, and the tools that break file systems and system calls.
import { existsSync } from 'node:fs'
import { aptInstall, MissingTool, onPath } from './cache.mjs'
import { franzGoPath } from './franz-go.mjs'
import { kafkaClassPath } from './kafka-jars.mjs'
import { kcatPath } from './kcat.mjs'

export async function faultTools(name) {
  await kcatPath()
  await franzGoPath()
  await kafkaClassPath()
  // A killed process is all that it needs.
  if (name === 'kill-nine') return
  if (process.getuid?.() !== 0)
    throw new MissingTool(name, 'it mounts file systems and attaches to processes, which needs root')
  if (!existsSync('/dev/loop-control')) throw new MissingTool(name, 'there are no loop devices')
  for (const [tool, debianPackage] of [
    ['strace', 'strace'],
    ['mkfs.ext4', 'e2fsprogs'],
    ['mkfs.xfs', 'xfsprogs'],
    ['xfs_io', 'xfsprogs'],
  ])
    if (!onPath(tool)) await aptInstall(tool, [debianPackage])
}

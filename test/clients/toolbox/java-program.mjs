// Owns Java programs of the tests: compiled against Kafka's jars, once per version of the source, into the cache.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { basename, delimiter, join } from 'node:path'
import { aptInstall, onPath, run, toolDirectory } from './cache.mjs'
import { kafkaClassPath } from './kafka-jars.mjs'

/**
 * @param {string} source path of the one .java file
 * @param {string} name of its directory in the cache
 * @returns {Promise<string>} class path with Kafka's jars and the program. Throws MissingTool where there is no Java compiler or no Kafka to be had.
 */
export async function javaProgram(source, name) {
  const jars = await kafkaClassPath()
  const digest = createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 16)
  const directory = toolDirectory(join(name, digest))
  if (!existsSync(join(directory, `${basename(source, '.java')}.class`))) {
    if (!onPath('javac')) await aptInstall('the Java compiler', ['openjdk-17-jdk-headless'])
    await run('javac', ['-nowarn', '-cp', jars, '-d', directory, source])
  }
  return [directory, jars].join(delimiter)
}

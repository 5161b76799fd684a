// Owns the compiled Java oracle: class path with Kafka's jars and Oracle.class, built once per version of the source into the cache.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { delimiter } from 'node:path'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import { aptInstall, onPath, run, toolDirectory } from '../../clients/toolbox/cache.mjs'
import { kafkaClassPath } from '../../clients/toolbox/kafka-jars.mjs'

const source = fileURLToPath(new URL('Oracle.java', import.meta.url))

/** Throws MissingTool where there is no Java compiler or no Kafka to be had. */
export async function oracleClassPath() {
  const jars = await kafkaClassPath()
  const digest = createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 16)
  const directory = toolDirectory(join('codec-oracle', digest))
  if (!existsSync(join(directory, 'Oracle.class'))) {
    if (!onPath('javac')) await aptInstall('the Java compiler', ['openjdk-17-jdk-headless'])
    await run('javac', ['-nowarn', '-cp', jars, '-d', directory, source])
  }
  return [directory, jars].join(delimiter)
}

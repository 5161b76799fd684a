// Owns the Apache Kafka jars that tests and benches run: broker, clients and tools, from Maven by coordinates.
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { aptInstall, MissingTool, onPath, run, toolDirectory } from './cache.mjs'

export const kafkaVersion = '4.3.1'

const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>millrace.test</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${kafkaVersion}</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>${kafkaVersion}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
`

/** Class path with Kafka's broker, clients and tools. Throws MissingTool where there is no Java or no Maven to be had. */
export async function kafkaClassPath() {
  if (!onPath('java')) await aptInstall('Java', ['openjdk-17-jre-headless'])
  const directory = toolDirectory(`kafka-${kafkaVersion}`)
  const complete = join(directory, 'complete')
  if (!existsSync(complete)) {
    if (!onPath('mvn')) await aptInstall('Maven', ['maven'])
    writeFileSync(join(directory, 'pom.xml'), pom)
    await run('mvn', ['-q', '-B', 'dependency:copy-dependencies', '-DoutputDirectory=lib'], { cwd: directory }).catch(
      error => {
        throw new MissingTool('Apache Kafka', error.message)
      },
    )
    // Two slf4j bindings print a warning into every tool's output; keep the simple one.
    writeFileSync(complete, readdirSync(join(directory, 'lib')).join('\n'))
  }
  return join(directory, 'lib', '*')
}

const quiet = ['-Dorg.slf4j.simpleLogger.defaultLogLevel=error', '-XX:TieredStopAtLevel=1', '-Xmx256m']

/** Runs a Kafka tool's main class to completion. */
export async function kafkaTool(mainClass, args, options = {}) {
  const classPath = await kafkaClassPath()
  return run('java', [...quiet, '-cp', classPath, mainClass, ...args], { timeoutMs: 120_000, ...options })
}

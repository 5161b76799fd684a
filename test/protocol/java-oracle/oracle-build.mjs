// Owns the compiled Java oracle: class path with Kafka's jars and Oracle.class.
import { fileURLToPath } from 'node:url'
import { javaProgram } from '../../clients/toolbox/java-program.mjs'

const source = fileURLToPath(new URL('Oracle.java', import.meta.url))

/** Throws MissingTool where there is no Java compiler or no Kafka to be had. */
export function oracleClassPath() {
  return javaProgram(source, 'codec-oracle')
}

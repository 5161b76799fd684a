// Owns librdkafka's own load generator, built from the C sources inside the node-rdkafka npm package.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { MissingTool, onPath, run, toolDirectory } from './cache.mjs'

const packageVersion = '3.6.1'

/** Path of `rdkafka_performance`; the first call builds it (about 2 minutes on 2 cores). */
export async function rdkafkaPerformance(log = () => {}) {
  const directory = toolDirectory(`node-rdkafka-${packageVersion}`)
  const sources = join(directory, 'package', 'deps', 'librdkafka')
  const binary = join(sources, 'examples', 'rdkafka_performance')
  if (existsSync(binary)) return binary
  for (const tool of ['gcc', 'make'])
    if (!onPath(tool)) throw new MissingTool('rdkafka_performance', `${tool} is missing`)
  log('building librdkafka and rdkafka_performance (about 2 minutes)')
  await run('npm', ['pack', '--silent', `node-rdkafka@${packageVersion}`], { cwd: directory })
  const tarball = readdirSync(directory).find(name => name.endsWith('.tgz'))
  await run('tar', ['xzf', tarball], { cwd: directory })
  const disabled = ['--disable-ssl', '--disable-gssapi', '--disable-curl', '--disable-zstd', '--disable-lz4-ext']
  await run('./configure', disabled, { cwd: sources })
  await run('make', ['-j2', 'libs'], { cwd: sources })
  await run('make', ['-C', 'examples', 'rdkafka_performance'], { cwd: sources })
  return binary
}

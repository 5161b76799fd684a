// Owns `npm test`: every group of tests, in an order that fails fast, with one closing line of counts.
// A group whose foreign tool this machine lacks, and cannot be given, is named as not run; with MILLRACE_ALL_GROUPS=1 that is a failure.
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { spawn } from 'node:child_process'
import { setup } from './setup.mjs'
import { main, root, step } from './steps.mjs'

const clientGroups = [
  {
    name: 'kcat and librdkafka',
    file: 'test/clients/kcat.test.ts',
    prepare: async () => (await import('../test/clients/toolbox/kcat.mjs')).kcatPath(),
  },
  { name: 'Apache Kafka tools', file: 'test/clients/kafka-tools.test.ts', prepare: prepareKafka },
  { name: 'log life under Apache Kafka tools', file: 'test/clients/kafka-log-life.test.ts', prepare: prepareKafka },
  {
    name: 'Apache Kafka directories, both ways',
    file: 'test/clients/kafka-directory.test.ts',
    prepare: prepareKafka,
  },
  {
    name: 'codec cross-check with Java',
    file: 'test/protocol/java-oracle',
    prepare: async () => (await import('../test/protocol/java-oracle/oracle-build.mjs')).oracleClassPath(),
  },
  {
    name: 'embedded logs under a broker',
    file: 'test/clients/embedded-log.test.ts',
    prepare: async () => {
      await (await import('../test/clients/toolbox/kcat.mjs')).kcatPath()
      await prepareKafka()
    },
  },
  { name: 'KafkaJS', file: 'test/clients/kafkajs.test.ts', prepare: async () => {} },
  { name: '@platformatic/kafka', file: 'test/clients/platformatic.test.ts', prepare: async () => {} },
  {
    name: 'franz-go',
    file: 'test/clients/franz-go.test.ts',
    prepare: async () => (await import('../test/clients/toolbox/franz-go.mjs')).franzGoPath(),
  },
]

const faultGroups = ['kill-nine', 'power-cut', 'power-cut-loss', 'failed-disk', 'failed-start', 'full-disk'].map(
  name => ({
    name: `faults: ${name.replaceAll('-', ' ')}`,
    file: `test/faults/${name}.test.ts`,
    prepare: async () => (await import('../test/clients/toolbox/fault-tools.mjs')).faultTools(name),
  }),
)

async function prepareKafka() {
  await (await import('../test/clients/toolbox/kafka-jars.mjs')).kafkaClassPath()
}

const totals = { passed: 0, failed: 0 }
const notRun = []

await main(async () => {
  await setup()
  const results = join(root, '.cache', 'results')
  rmSync(results, { recursive: true, force: true })
  mkdirSync(results, { recursive: true })
  await step('native tests', cargoTests)
  await step('TypeScript tests', () =>
    vitest('typescript', [
      'test',
      '--exclude',
      'test/clients/**',
      '--exclude',
      'test/protocol/java-oracle/**',
      '--exclude',
      'test/faults/**',
    ]),
  )
  for (const group of [...clientGroups, ...faultGroups]) {
    if (!existsSync(join(root, group.file))) {
      notRun.push(`${group.name}: ${group.file} does not exist`)
      continue
    }
    try {
      await group.prepare()
    } catch (error) {
      if (error?.name !== 'MissingTool') throw error
      notRun.push(`${group.name}: ${error.message}`)
      continue
    }
    await step(group.name, () => vitest(group.name.replaceAll(/[^a-z0-9]+/gi, '-'), [group.file]))
  }
  for (const group of notRun) process.stdout.write(`NOT RUN  ${group}\n`)
  if (notRun.length > 0 && process.env.MILLRACE_ALL_GROUPS === '1') totals.failed += notRun.length
  process.stdout.write(`${totals.passed} passed, ${totals.failed} failed\n`)
  if (totals.failed > 0) process.exitCode = 1
})

async function cargoTests() {
  const { code, output } = await tee('cargo', [
    'test',
    '--workspace',
    '--no-fail-fast',
    '--locked',
    '--manifest-path',
    'native/Cargo.toml',
  ])
  for (const [, passed, failed] of output.matchAll(/^test result: \w+\. (\d+) passed; (\d+) failed/gm)) {
    totals.passed += Number(passed)
    totals.failed += Number(failed)
  }
  if (code !== 0 && totals.failed === 0) totals.failed += 1
}

async function vitest(name, args) {
  const file = join(root, '.cache', 'results', `${name}.json`)
  const { code } = await tee('npx', [
    '--no-install',
    'vitest',
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${file}`,
    ...args,
  ])
  const report = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : { numPassedTests: 0, numFailedTests: 0 }
  totals.passed += report.numPassedTests
  totals.failed += report.numFailedTests
  if (code !== 0 && report.numFailedTests === 0) totals.failed += 1
}

function tee(command, args) {
  return new Promise((done, fail) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', chunk => {
      output += chunk
      process.stdout.write(chunk)
    })
    child.on('error', fail)
    child.on('close', code => done({ code, output }))
  })
}

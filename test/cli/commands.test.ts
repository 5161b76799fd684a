// The client commands as processes: what goes in, what comes out, and with which status.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startBroker, type TestBroker } from '#test-kit'

const main = join(import.meta.dirname, '..', '..', 'dist', 'cli', 'main.cjs')
let broker: TestBroker
beforeAll(async () => {
  broker = await startBroker()
})
afterAll(() => broker.stop())

interface Ended {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

interface RunOptions {
  readonly input?: string | Buffer
  /** Called with all of standard output whenever there is more; true sends SIGINT. */
  readonly interruptWhen?: (stdout: string) => boolean
}

function run(args: readonly string[], { input, interruptWhen }: RunOptions = {}): Promise<Ended> {
  const child = spawn(process.execPath, [main, ...args], { stdio: 'pipe' })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk
    if (interruptWhen?.(stdout)) child.kill('SIGINT')
  })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk
  })
  child.stdin.on('error', () => {})
  child.stdin.end(input ?? '')
  return new Promise(resolve => child.once('close', status => resolve({ status, stdout, stderr })))
}

const at = (): readonly string[] => ['--bootstrap-server', broker.bootstrap]
const millrace = (command: string, options?: RunOptions): Promise<Ended> =>
  run([...command.split(' '), ...at()], options)

test('a topic is created, listed, described and deleted', async () => {
  expect(await millrace('topic create things --partitions 2 --config retention.ms=60000')).toEqual({
    status: 0,
    stdout: 'created things (2 partitions)\n',
    stderr: '',
  })
  expect((await millrace('topic list')).stdout).toContain('things\t2\t1\n')
  expect((await millrace('topic describe things')).stdout).toMatch(
    /^things\t0\t\d+\t\d+\t\d+\t0\t0\nthings\t1\t\d+\t\d+\t\d+\t0\t0\n$/,
  )
  const [described] = JSON.parse((await millrace('topic describe things --json')).stdout)
  expect(described).toMatchObject({ name: 'things', isInternal: false, configs: { 'retention.ms': '60000' } })
  expect(described.partitions).toHaveLength(2)
  expect(described.partitions[0]).toMatchObject({ partition: 0, startOffset: 0, endOffset: 0 })
  const again = await millrace('topic create things')
  expect(again).toMatchObject({ status: 9, stdout: '' })
  expect(again.stderr).toMatch(/TOPIC_ALREADY_EXISTS[^]*topic describe/)
  expect(await millrace('topic create things --if-not-exists')).toMatchObject({ status: 0 })
  expect(await millrace('topic delete things')).toEqual({ status: 0, stdout: 'deleted things\n', stderr: '' })
  expect(await millrace('topic delete things')).toMatchObject({ status: 9 })
  expect(await millrace('topic delete things --if-exists')).toMatchObject({ status: 0 })
})

test('of several topics each is told, and one failure is the status', async () => {
  const created = await millrace('topic create several-1 several-2 bad/name')
  expect(created).toMatchObject({
    status: 9,
    stdout: 'created several-1 (1 partition)\ncreated several-2 (1 partition)\n',
  })
  expect(created.stderr).toContain('INVALID_TOPIC_EXCEPTION')
  expect(JSON.parse((await millrace('topic list --json')).stdout)).toEqual(
    expect.arrayContaining([expect.objectContaining({ name: 'several-1', partitions: 1, replicationFactor: 1 })]),
  )
})

test('lines produced are lines consumed', async () => {
  expect(await millrace('produce greetings', { input: 'hello\nw\u00f6rld\n\nlast' })).toEqual({
    status: 0,
    stdout: '',
    stderr: '',
  })
  expect(await millrace('consume greetings')).toEqual({ status: 0, stdout: 'hello\nw\u00f6rld\n\nlast\n', stderr: '' })
  expect((await millrace('consume greetings -o 1 -n 1')).stdout).toBe('w\u00f6rld\n')
  expect((await millrace('consume greetings -o -2')).stdout).toBe('\nlast\n')
  expect((await millrace('consume greetings --offset @-1h --num 1')).stdout).toBe('hello\n')
})

test('keys, headers, partition and compression are sent as asked', async () => {
  await millrace('topic create keyed --partitions 3')
  expect(
    await millrace('produce keyed -K : -H a=1 -H a=2 -p 2 -z zstd', { input: 'k:v:w\n:empty key\n' }),
  ).toMatchObject({ status: 0 })
  expect((await millrace('consume keyed --print-key -p 2')).stdout).toBe('k\tv:w\n\tempty key\n')
  const [first] = (await millrace('consume keyed --json')).stdout.split('\n')
  expect(JSON.parse(first as string)).toMatchObject({
    topic: 'keyed',
    partition: 2,
    offset: 0,
    key: 'k',
    value: 'v:w',
    headers: [
      { key: 'a', value: '1' },
      { key: 'a', value: '2' },
    ],
  })
  expect(await millrace('produce keyed -k fixed --tombstone -p 0', { input: '\n' })).toMatchObject({ status: 0 })
  expect(JSON.parse((await millrace('consume keyed --json -p 0')).stdout)).toMatchObject({ key: 'fixed', value: null })
})

test('consume --json piped into produce --json copies a topic, bytes and all', async () => {
  const records = [
    {
      key: 'a',
      value: '1',
      partition: 1,
      timestamp: 1_700_000_000_000,
      headers: [{ key: 'h', value: { base64: '/w==' } }],
    },
    { key: null, value: { base64: '/wD+' }, partition: 0, timestamp: 1_700_000_000_001, headers: [] },
    { key: 'b', value: null, partition: 1, timestamp: 1_700_000_000_002, headers: [] },
  ]
  await millrace('topic create original copy --partitions 2')
  expect(
    await millrace('produce original --json', { input: records.map(record => JSON.stringify(record)).join('\n') }),
  ).toMatchObject({ status: 0 })
  const original = (await millrace('consume original --json')).stdout
  expect(await millrace('produce copy --json', { input: original })).toMatchObject({ status: 0 })
  expect((await millrace('consume copy --json')).stdout.replaceAll('"copy"', '"original"').split('\n').sort()).toEqual(
    original.split('\n').sort(),
  )
  expect(
    original
      .trim()
      .split('\n')
      .map(line => JSON.parse(line)),
  ).toEqual(expect.arrayContaining(records.map(record => expect.objectContaining(record))))
})

test('a line that is no record ends the command, and those before it are sent', async () => {
  const produced = await millrace('produce partly --json', {
    input: '{"value":"good"}\n{"value":\n{"value":"never"}\n',
  })
  expect(produced).toMatchObject({ status: 2, stdout: '' })
  expect(produced.stderr).toMatch(/^millrace: line 2 is no JSON record: /)
  expect((await millrace('consume partly')).stdout).toBe('good\n')
  expect((await millrace('produce partly -K :', { input: 'no separator\n' })).stderr).toContain(
    "line 1 has no key: it does not contain ':'",
  )
})

test('--count stops after that many records, also when more input waits', async () => {
  expect(await millrace('produce counted --count 2', { input: 'a\nb\nc\n' })).toMatchObject({ status: 0 })
  expect((await millrace('consume counted')).stdout).toBe('a\nb\n')
})

test('a group goes on where it left off', async () => {
  await millrace('produce grouped', { input: 'a\nb\nc\n' })
  expect((await millrace('consume grouped --group g --num 2')).stdout).toBe('a\nb\n')
  expect((await millrace('consume grouped --group g')).stdout).toBe('c\n')
  expect(await millrace('consume grouped --group g')).toEqual({ status: 0, stdout: '', stderr: '' })
  await millrace('produce grouped', { input: 'd\n' })
  expect((await millrace('consume grouped --group g')).stdout).toBe('d\n')
  expect((await millrace('consume grouped --group fresh --offset end')).stdout).toBe('')
})

test('--follow waits for more and ends well on Ctrl-C', async () => {
  await millrace('produce followed', { input: 'a\n' })
  const following = millrace('consume followed --follow', { interruptWhen: stdout => stdout.includes('b\n') })
  await new Promise(resolve => setTimeout(resolve, 500))
  await millrace('produce followed', { input: 'b\n' })
  expect(await following).toEqual({ status: 0, stdout: 'a\nb\n', stderr: '' })
})

test('a reader that goes away is no failure', async () => {
  await millrace('produce piped', { input: Array.from({ length: 50_000 }, (_, index) => `line ${index}`).join('\n') })
  const shell = `${process.execPath} ${main} consume piped ${at().join(' ')} | head -n 2; echo "status \${PIPESTATUS[0]}"`
  const child = spawn('bash', ['-c', shell], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => (output += chunk))
  await new Promise(resolve => child.once('close', resolve))
  expect(output).toBe('line 0\nline 1\nstatus 0\n')
})

test.each([
  ['consume nowhere', 9, /topic 'nowhere' does not exist \(UNKNOWN_TOPIC_OR_PARTITION\)\n {2}millrace topic list/],
  ['topic describe nowhere', 9, /topic 'nowhere' does not exist/],
  ['consume greetings -o 999 -p 0', 9, /OFFSET_OUT_OF_RANGE/],
  ['topic create zero --partitions 0', 2, /'0' is not a whole number from 1/],
  ['topic create three --replication-factor 3', 9, /INVALID_REPLICATION_FACTOR[^]*--replication-factor 1/],
  ['topic create odd --config no.such=1', 9, /INVALID_CONFIG[^]*--config/],
  ['consume greetings --offset soon', 2, /'soon' is no offset/],
  ['consume greetings --group g --partition 0', 2, /exclude each other/],
  ['consume', 2, /topic/],
  ['produce greetings --acks 2', 2, /all\|1\|0/],
  ['topic lst', 2, /did you mean `list`/],
])('millrace %s ends with status %i and says why', async (command, status, why) => {
  await millrace('topic create greetings --if-not-exists')
  const ended = await millrace(command)
  expect(ended.stderr).toMatch(why)
  expect(ended.stderr).not.toMatch(/\n\s+at /)
  expect(ended.status).toBe(status)
})

test('no broker at the address is told at once, with its own status', async () => {
  const gone = await startBroker()
  const { bootstrap } = gone
  await gone.stop()
  for (const command of ['topic list', 'produce t', 'consume t']) {
    const startedMs = performance.now()
    const ended = await run([...command.split(' '), '-b', bootstrap], { input: 'x\n' })
    expect(ended).toMatchObject({ status: 8, stdout: '' })
    expect(ended.stderr).toContain(
      `millrace: no broker: ${bootstrap}: connection refused\n  start one with: millrace start`,
    )
    expect(performance.now() - startedMs).toBeLessThan(5_000)
  }
})

test('an address that is none is a mistake on the command line', async () => {
  expect(await run(['topic', 'list', '-b', '::1:9092'])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('brackets'),
  })
})

test('--version prints the version of the package', async () => {
  const { default: manifest } = await import('../../package.json', { with: { type: 'json' } })
  expect(await run(['--version'])).toEqual({ status: 0, stdout: `${manifest.version}\n`, stderr: '' })
})

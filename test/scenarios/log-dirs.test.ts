// A node with several log directories, one of which cannot be opened at its start.
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { metadata } from '#protocol'
import { startBroker } from '#test-kit'
import { fetchFrom, produceTo } from './records.ts'
import { WireClient } from './wire-client.ts'

const PARTITIONS = 4
const KAFKA_STORAGE_ERROR = 56

let path: string
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'millrace-log-dirs-'))
})
afterEach(() => rmSync(path, { recursive: true, force: true }))

const dir = (name: string) => join(path, name)
const start = (topics: Record<string, { partitions: number }> = {}) =>
  startBroker({
    storage: { path: dir('a') },
    settings: { 'log.dirs': `${dir('a')},${dir('b')}`, 'metadata.log.dir': dir('a') },
    topics,
  })
const held = (name: string) => readdirSync(dir(name)).filter(entry => /^spread-\d$/.test(entry))

test('one directory less is its partitions less, and it comes back with all they had', async () => {
  const before = await start({ spread: { partitions: PARTITIONS } })
  let client = await WireClient.open(before.port)
  for (let partition = 0; partition < PARTITIONS; partition += 1)
    await produceTo(client, 'spread', [`value-${partition}`], partition)
  client.close()
  await before.stop()
  const gone = held('b').map(name => Number(name.slice('spread-'.length)))
  expect(gone.length).toBeGreaterThan(0)
  expect(held('a').length).toBeGreaterThan(0)

  renameSync(dir('b'), dir('unplugged'))
  writeFileSync(dir('b'), 'not a directory')
  const without = await start()
  client = await WireClient.open(without.port)
  const { topics } = await client.send(metadata, 12, { topics: [{ name: 'spread' }] })
  for (const { partitionIndex, offlineReplicas } of topics[0]?.partitions ?? [])
    expect(offlineReplicas, `of partition ${partitionIndex}`).toEqual(gone.includes(partitionIndex) ? [1] : [])
  for (let partition = 0; partition < PARTITIONS; partition += 1) {
    if (gone.includes(partition))
      expect(await produceTo(client, 'spread', ['more'], partition)).toMatchObject({ errorCode: KAFKA_STORAGE_ERROR })
    else expect(await fetchFrom(client, 'spread', 0n, partition)).toEqual([`value-${partition}`])
  }
  // What is new goes where there is room.
  await without.createTopic('new', { partitions: 2 })
  expect(await produceTo(client, 'new', ['first'], 1)).toMatchObject({ errorCode: 0, baseOffset: 0n })
  client.close()
  await without.stop()

  rmSync(dir('b'))
  renameSync(dir('unplugged'), dir('b'))
  await using after = await start()
  client = await WireClient.open(after.port)
  for (let partition = 0; partition < PARTITIONS; partition += 1)
    expect(await fetchFrom(client, 'spread', 0n, partition)).toEqual([`value-${partition}`])
  client.close()
})

test('without the directory of its metadata log a node does not start', async () => {
  const before = await start()
  await before.stop()
  renameSync(dir('a'), dir('unplugged'))
  writeFileSync(dir('a'), 'not a directory')
  await expect(start()).rejects.toThrow()
  expect(existsSync(join(dir('b'), '.lock'))).toBe(true)
})

import { describe, expect, it } from 'vitest'
import {
  apiVersions,
  createTopics,
  decodeRequest,
  decodeRequestFrame,
  decodeResponseFrame,
  encodeRequestFrame,
  encodeResponseFrame,
  joinGroup,
  offsetCommit,
  type CreateTopicsRequest,
  type RequestInput,
} from '#protocol'

describe('frames', () => {
  it('a request comes back with defaults filled in', () => {
    const frame = encodeRequestFrame(
      createTopics,
      7,
      { correlationId: 9, clientId: 'me' },
      { topics: [{ name: 'orders', numPartitions: 3 }] },
    )
    const { header, api, body } = decodeRequestFrame(frame)
    expect(header).toEqual({ apiKey: 19, apiVersion: 7, correlationId: 9, clientId: 'me' })
    expect(api).toBe(createTopics)
    const request: CreateTopicsRequest = decodeRequest(createTopics, header.apiVersion, body)
    expect(request).toEqual({
      topics: [{ name: 'orders', numPartitions: 3, replicationFactor: 0, assignments: [], configs: [] }],
      timeoutMs: 60000,
      validateOnly: false,
    })
    expect(body.remaining).toBe(0)
  })

  it('a flexible request carries header v2, an older one v1', () => {
    const lengthOf = (version: number) =>
      encodeRequestFrame(createTopics, version, { correlationId: 1, clientId: '' }, {}).length
    expect(lengthOf(4)).toBe(10 + 4 + 4 + 1)
    expect(lengthOf(5)).toBe(10 + 1 + 1 + 4 + 1 + 1)
  })

  it('the ApiVersions response header has no tag section even when the body is flexible', () => {
    const frame = encodeResponseFrame(apiVersions, 4, 5, { apiKeys: [{ apiKey: 18, maxVersion: 4 }] })
    expect(frame.subarray(0, 7).toString('hex')).toBe('00000005' + '0000' + '02')
  })

  it('a refused ApiVersions version is read in layout 0', () => {
    const frame = encodeResponseFrame(apiVersions, 0, 5, { errorCode: 35, apiKeys: [{ apiKey: 18, maxVersion: 4 }] })
    const { version, response } = decodeResponseFrame(apiVersions, 4, frame)
    expect(version).toBe(0)
    expect(response.errorCode).toBe(35)
    expect(response.apiKeys).toEqual([{ apiKey: 18, minVersion: 0, maxVersion: 4 }])
  })

  it('the header of an ApiVersions version from the future is still read', () => {
    const frame = Buffer.from('00120063000000070002636100', 'hex')
    expect(decodeRequestFrame(frame).header).toEqual({ apiKey: 18, apiVersion: 99, correlationId: 7, clientId: 'ca' })
  })

  it('a non-default value the version cannot carry is refused by name, an ignorable one is dropped', () => {
    const response = (version: number, topic: object) =>
      encodeResponseFrame(createTopics, version, 1, { topics: [{ name: 'a', ...topic }] })
    expect(response(2, { numPartitions: 5, topicId: 'AAAAAAAAAAAAAAAAAAAAAQ' })).toEqual(response(2, {}))
    const commit = (version: number) =>
      encodeRequestFrame(offsetCommit, version, { correlationId: 1, clientId: null }, { groupInstanceId: 'static' })
    expect(() => commit(7)).not.toThrow()
    expect(() => commit(6)).toThrow('OffsetCommit v6.groupInstanceId: version 6 cannot carry this field')
  })

  it('null where the version has none, a number out of range and a string too long are refused by name', () => {
    const join = (request: RequestInput<typeof joinGroup>) => () =>
      encodeRequestFrame(joinGroup, 5, { correlationId: 1, clientId: null }, request)
    expect(join({ groupId: 'x'.repeat(40_000) })).toThrow('JoinGroup v5.groupId: string of 40000 bytes')
    expect(join({ sessionTimeoutMs: 2 ** 31 })).toThrow(/JoinGroup v5.sessionTimeoutMs/)
    expect(join({ groupId: null as never })).toThrow('JoinGroup v5.groupId: this version cannot carry null')
  })

  it('a version outside the range is refused in both directions', () => {
    expect(() => encodeRequestFrame(createTopics, 8, { correlationId: 1, clientId: null }, {})).toThrow(
      /CreateTopics v8/,
    )
    expect(() => decodeRequest(createTopics, 1, Buffer.alloc(9))).toThrow(/2-7/)
  })

  it('a message over the hand-over size is encoded whole and leaves the next one alone', () => {
    const memberMetadata = Buffer.alloc(300_000, 7)
    const encode = () =>
      encodeRequestFrame(
        joinGroup,
        5,
        { correlationId: 1, clientId: null },
        { protocols: [{ name: 'p', metadata: memberMetadata }] },
      )
    const first = encode()
    const second = encode()
    expect(first.equals(second)).toBe(true)
    expect(first.length).toBeGreaterThan(300_000)
  })
})

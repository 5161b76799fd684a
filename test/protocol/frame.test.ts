import { describe, expect, it } from 'vitest'
import {
  apiVersions,
  createTopics,
  decodeRequest,
  decodeRequestFrame,
  decodeResponseFrame,
  encodeRequestFrame,
  encodeResponseFrame,
  type CreateTopicsRequest,
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

  it('a non-default value the version cannot carry is refused, an ignorable one is dropped', () => {
    expect(() => encodeResponseFrame(createTopics, 2, 1, { topics: [{ name: 'a', numPartitions: 5 }] })).not.toThrow()
    expect(() => encodeRequestFrame(createTopics, 8, { correlationId: 1, clientId: null }, {})).toThrow(
      /CreateTopics v8/,
    )
  })
})

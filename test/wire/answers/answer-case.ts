// Owns what a case is: one request, in every version it makes sense in, whose answer is compared.
import type { Api, RequestInput, ResponseOf } from '#protocol'
import type { Peer } from './peer.ts'

export interface AnswerCase {
  readonly api: Api
  readonly what: string
  readonly versions: readonly [number, number]
  readonly clientId: string
  request(version: number, peer: Peer): RequestInput<Api>
  keep?(answer: never, peer: Peer, version: number): void
}

export interface CaseOptions<A extends Api> {
  readonly from?: number
  readonly to?: number
  readonly clientId?: string
  /** Takes what later cases need out of the answer. */
  keep?(answer: ResponseOf<A>, peer: Peer, version: number): void
}

export function ask<A extends Api>(
  api: A,
  what: string,
  request: (version: number, peer: Peer) => RequestInput<A>,
  options: CaseOptions<A> = {},
): AnswerCase {
  const [min, max] = api.versions
  return {
    api,
    what,
    versions: [options.from ?? min, options.to ?? max],
    clientId: options.clientId ?? 'wire',
    request: request as AnswerCase['request'],
    ...(options.keep === undefined ? {} : { keep: options.keep as NonNullable<AnswerCase['keep']> }),
  }
}

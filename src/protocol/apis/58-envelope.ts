// Envelope: a request forwarded by a broker to the controller, with the principal and address of its client
// (KIP-590).
import {
  api,
  bytes,
  int16,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from '../schema/notation.ts'

export const envelope = api({
  key: 58,
  name: 'Envelope',
  versions: [0, 0],
  flexible: 0,
  listeners: ['controller'],
  request: () => ({
    requestData: bytes(),
    requestPrincipal: bytes({ nullable: true }),
    clientHostAddress: bytes(),
  }),
  response: () => ({
    responseData: bytes({ nullable: true, default: null }),
    errorCode: int16(),
  }),
})

export type EnvelopeRequest = RequestOf<typeof envelope>
export type EnvelopeRequestInput = RequestInput<typeof envelope>
export type EnvelopeResponse = ResponseOf<typeof envelope>
export type EnvelopeResponseInput = ResponseInput<typeof envelope>

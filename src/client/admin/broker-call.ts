// Owns how an admin request finds a broker that can answer it: any one (KRaft brokers forward what is the controller's), or the
// coordinator of a group; and the other attempts when that fails. Never interprets results.
import type { Api, RequestInput, ResponseOf } from '#protocol'
import type { CallOptions, Cluster } from '../network/cluster.ts'
import { within } from '../network/waiting.ts'

/** One answer from any broker, with another attempt, elsewhere if need be, when the connection fails. */
export function callAnyBroker<A extends Api>(
  cluster: Cluster,
  call: CallOptions,
  api: A,
  request: RequestInput<A>,
): Promise<ResponseOf<A>> {
  return cluster.retrying(call, async () => {
    const work = cluster.sendToAny(api, request, { signal: call.signal, timeoutMs: remainingMs(call) })
    return within(cluster.options.host, api.name, call.deadline, call.signal, work)
  })
}

/** One answer from the coordinator of a group. `check` throws what the answer says went wrong, so that a moved coordinator is found again. */
export function callCoordinator<A extends Api>(
  cluster: Cluster,
  call: CallOptions,
  target: {
    readonly groupId: string
    readonly api: A
    readonly request: RequestInput<A>
    readonly check: (response: ResponseOf<A>) => void
  },
): Promise<ResponseOf<A>> {
  return cluster.retrying(call, async () => {
    const address = await cluster.coordinatorOf(target.groupId, call)
    const connection = await cluster.connectToAddress(address, 'shared')
    const response = await connection.send(target.api, target.request, {
      signal: call.signal,
      timeoutMs: remainingMs(call),
    })
    target.check(response)
    return response
  })
}

/** What is left of the call, at least a moment: a request with no time at all would close its connection. */
export function remainingMs(call: CallOptions): number {
  return Math.max(1_000, Math.ceil(call.deadline.remainingMs))
}

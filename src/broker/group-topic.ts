// Owns making sure that the group coordinators' topic is there before a group request is handled. Never creates it itself.
import type { RequestContext } from './request-context.ts'
import { GROUP_TOPIC } from './topic-names.ts'

/** A client that skipped FindCoordinator, or asks a fresh node, is served all the same. */
export function withGroupTopic<T>(context: RequestContext, act: () => T | Promise<T>): T | Promise<T> {
  const { services } = context
  if (services.image().topics.byName(GROUP_TOPIC) !== undefined) return act()
  return services.autoCreate.ensureGroupTopic(context).then(act)
}

// Owns what can happen to the groups of one partition, and the answer that goes with each request. Data only.
import type {
  HeartbeatRequest,
  HeartbeatResponseInput,
  JoinGroupRequest,
  JoinGroupResponseInput,
  LeaveGroupRequest,
  LeaveGroupResponseInput,
  OffsetCommitRequest,
  OffsetCommitResponseInput,
  OffsetDeleteRequest,
  OffsetDeleteResponseInput,
  SyncGroupRequest,
  SyncGroupResponseInput,
} from '#protocol'
import type { Decision } from '../runtime/shard.ts'
import { Turn } from '../runtime/turn.ts'
import type { GroupRecord } from './group-records.ts'

/** Who sent a request. */
export interface Client {
  readonly apiVersion: number
  readonly clientId: string
  readonly clientHost: string
}

export interface DeletedTopic {
  readonly name: string
  /** Absent: offsets of the name go whatever topic id they were committed under. */
  readonly topicId?: string
}

/** Requests, by the name of their event. */
export interface GroupRequests {
  /** `newMemberUuid` is the random part of the member id, should one be handed out. */
  join: { readonly request: JoinGroupRequest; readonly client: Client; readonly newMemberUuid: string }
  sync: { readonly request: SyncGroupRequest; readonly client: Client }
  heartbeat: { readonly request: HeartbeatRequest; readonly client: Client }
  leave: { readonly request: LeaveGroupRequest; readonly client: Client }
  commit: { readonly request: OffsetCommitRequest; readonly client: Client }
  deleteOffsets: { readonly request: OffsetDeleteRequest }
  deleteGroup: { readonly groupId: string }
}

export interface GroupResponses {
  join: JoinGroupResponseInput
  sync: SyncGroupResponseInput
  heartbeat: HeartbeatResponseInput
  leave: LeaveGroupResponseInput
  commit: OffsetCommitResponseInput
  deleteOffsets: OffsetDeleteResponseInput
  deleteGroup: { readonly errorCode: number }
}

export type RequestKind = keyof GroupRequests
export type GroupRequestEvent = { [K in RequestKind]: { readonly kind: K } & GroupRequests[K] }[RequestKind]
export type RequestEvent<K extends RequestKind> = { readonly kind: K } & GroupRequests[K]

/** Timers that fell due, and work the coordinator gives itself. Nobody waits for an answer. */
export type GroupInternalEvent =
  | { readonly kind: 'memberDue'; readonly groupId: string; readonly memberId: string }
  | {
      readonly kind: 'initialJoinDue'
      readonly groupId: string
      readonly delayMs: number
      readonly remainingMs: number
    }
  | { readonly kind: 'joinDue'; readonly groupId: string }
  | { readonly kind: 'syncDue'; readonly groupId: string; readonly generation: number }
  | { readonly kind: 'sweep' }
  | { readonly kind: 'expireGroup'; readonly groupId: string }
  | { readonly kind: 'topicsDeleted'; readonly topics: readonly DeletedTopic[] }
  | { readonly kind: 'forgetTopics'; readonly groupId: string; readonly topics: readonly DeletedTopic[] }

export type GroupEvent = GroupRequestEvent | GroupInternalEvent
export type GroupResponse = GroupResponses[RequestKind]

export type GroupTurn = Turn<GroupEvent, GroupResponse, GroupRecord>
export type GroupDecision = Decision<GroupEvent, GroupResponse, GroupRecord>

export function groupTurn(nowMs: number): GroupTurn {
  return new Turn(nowMs)
}

// Owns the answer to each request that could not be carried out at all: this node is not the coordinator, is still loading,
// or could not write. Invariant: clients only see errors their version of the API can handle.
import { ErrorCode, type ErrorName } from '#protocol'
import { joinFailure, syncFailure } from './classic/answers.ts'
import type { GroupEvent, GroupResponse } from './group-events.ts'
import { commitFailure } from './offsets/offset-commit.ts'

export function refuse(event: GroupEvent, error: ErrorName): GroupResponse {
  const errorCode = ErrorCode[error]
  switch (event.kind) {
    case 'join':
      return joinFailure(error, event.request.memberId)
    case 'sync':
      return syncFailure(error)
    case 'heartbeat':
      // A member cannot do anything about a coordinator that is loading, and its session has not started to count yet.
      return { errorCode: error === 'COORDINATOR_LOAD_IN_PROGRESS' ? ErrorCode.NONE : errorCode }
    case 'leave':
      return { errorCode }
    case 'commit':
      return commitFailure(event.request, error)
    case 'deleteOffsets':
      return { errorCode }
    case 'deleteGroup':
      return { errorCode }
    default:
      return { errorCode } // timers and internal events: nobody reads it
  }
}

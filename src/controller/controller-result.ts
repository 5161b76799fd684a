// Owns the shape of a decision: records to commit, and the answer that may go out once they are.
import type { MetadataRecordInput } from '#protocol'

export interface ControllerResult<Response> {
  /** Committed together or not at all. */
  readonly records: readonly MetadataRecordInput[]
  readonly response: Response
}

/** A bigger user request is refused before it makes a batch that nobody wants to hold in memory. */
export const RECORDS_PER_OPERATION_MAX = 10_000

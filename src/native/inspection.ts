// Owns verifying and repairing directories that nobody has open. Each call does one partition and blocks until it is done.
// Invariant: verification changes nothing; a repair is refused (`LOCKED`) where a broker has the directory.
import {
  addon,
  type PartitionEnds,
  type PartitionToRepair,
  type PartitionToVerify,
  type RawRepaired,
  type Verified,
} from './addon.ts'
import { callNative } from './native-error.ts'

export function verifyPartition(partition: PartitionToVerify): Verified {
  return callNative(() => addon().verifyPartition(partition))
}

/** The files of a log directory itself; `partitions` are all that lie in it. */
export function verifyDirectoryFiles(dir: string, partitions: readonly PartitionEnds[]): Verified {
  return callNative(() => addon().verifyDirectoryFiles(dir, partitions))
}

export function repairPartition(partition: PartitionToRepair): RawRepaired {
  return callNative(() => addon().repairPartition(partition))
}

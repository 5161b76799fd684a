// Owns the name of a snapshot: `<20-digit end offset>-<10-digit epoch>.checkpoint`, beside the segments of the metadata log.

/** The snapshot holds everything before `endOffset`; `epoch` is that of the last batch in it. */
export interface SnapshotId {
  readonly endOffset: bigint
  readonly epoch: number
}

const NAME = /^(\d{20})-(\d{10})\.checkpoint$/

export function snapshotFileName({ endOffset, epoch }: SnapshotId): string {
  return `${String(endOffset).padStart(20, '0')}-${String(epoch).padStart(10, '0')}.checkpoint`
}

/** Null for a file that is no finished snapshot. */
export function parseSnapshotFileName(name: string): SnapshotId | null {
  const [, endOffset, epoch] = NAME.exec(name) ?? []
  return endOffset === undefined ? null : { endOffset: BigInt(endOffset), epoch: Number(epoch) }
}

/** Negative when `a` is the older one. */
export function compareSnapshotIds(a: SnapshotId, b: SnapshotId): number {
  if (a.endOffset !== b.endOffset) return a.endOffset < b.endOffset ? -1 : 1
  return a.epoch - b.epoch
}

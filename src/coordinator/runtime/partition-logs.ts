// Owns the view a coordinator has of its topic. The broker binds it to the real partitions.

/** All calls are about partitions of one coordinator topic that this node leads. */
export interface PartitionLogs {
  /** Resolves when the batch is committed and synced to disk. Completes in the order it was called. Rejects with a KafkaError. */
  append(partition: number, batch: Buffer): Promise<{ readonly baseOffset: bigint }>
  /** Whole batches from `offset` on, at least one where there is any. */
  read(partition: number, offset: bigint, maxBytes: number): Buffer
  startOffset(partition: number): bigint
  endOffset(partition: number): bigint
}

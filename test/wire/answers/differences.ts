// Owns the reasons for every answer that is knowingly not Apache Kafka's. The answers themselves are in differences.json.

const FILLED = 'offsets of the partition are told with errors too, so that a client can reset without asking again'
const WORDED = 'says what is wrong with the batch where Kafka says nothing'
const STRICT = 'Kafka answers UNKNOWN_SERVER_ERROR'
const MIN_ISR =
  'Kafka formats a node with min.insync.replicas as a cluster-wide setting, for eligible leader replicas; flush.policy is a setting of ours'
const UNFOLDED = 'Kafka folds what is asked twice into one answer; here each is answered'

const reasons: readonly (readonly [what: RegExp, why: string])[] = [
  [/^Metadata: neither name nor id$/, STRICT],
  [/^DescribeTopicPartitions: an empty name$/, STRICT],
  [/^Fetch: (beyond the log end|a negative offset|a leader epoch from|a last fetched epoch beyond)/, FILLED],
  [/^Fetch: an isolation level that does not exist$/, `${STRICT}; here anything but read committed reads uncommitted`],
  [
    /^Fetch: negative bytes in all$/,
    `${STRICT}; here a negative limit is a limit of nothing, and the first batch comes anyway`,
  ],
  [/^Produce: /, WORDED],
  [
    /^ListOffsets: an isolation level that does not exist$/,
    `${STRICT}; here anything but read committed reads uncommitted`,
  ],
  [/^(ListOffsets|DeleteRecords): one partition twice$/, UNFOLDED],
  [/^OffsetForLeaderEpoch: an epoch below all$/, 'no epoch is negative, so there is no end to tell'],
  [/^DescribeConfigs: an unknown topic$/, 'says that the topic is unknown where Kafka says nothing'],
  [/^DescribeConfigs: (every setting of a topic|no keys)$/, MIN_ISR],
  [/^IncrementalAlterConfigs: an? (negative )?operation/, STRICT],
  [
    /^CreateTopics: (a topic|only validated|the defaults of the broker|with a setting|an assignment|good and bad together)$/,
    `${MIN_ISR}; what is only validated gets no id`,
  ],
  [
    /^CreateTopics: names that differ in a dot$/,
    'metric names would collide: refused within one request as between two',
  ],
  [/^CreatePartitions: (an unknown topic|an empty name)$/, 'says which topic is unknown where Kafka says nothing'],
]

export function reasonFor(caseName: string): string | undefined {
  return reasons.find(([what]) => what.test(caseName))?.[1]
}

/** Reasons that no case needs any more. */
export function unusedReasons(caseNames: readonly string[]): readonly string[] {
  const used = new Set(caseNames.map(reasonFor))
  return reasons.filter(([, why]) => !used.has(why)).map(([what]) => what.source)
}

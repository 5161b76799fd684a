// Owns how a client's error is told to whoever typed the command: what happened, Kafka's name for it, the likely way out, the exit status.
import { KafkaError, UnreachableError } from '#client'
import { CommandFailure, ExitCode } from './exit-codes.ts'

type ErrorName = KafkaError['code']

const WAYS_OUT: Partial<Readonly<Record<ErrorName, string>>> = {
  UNKNOWN_TOPIC_OR_PARTITION: 'millrace topic list shows what there is; millrace topic create <name> makes a topic',
  TOPIC_ALREADY_EXISTS: 'millrace topic describe <name> shows it; --if-not-exists makes this no error',
  INVALID_TOPIC_EXCEPTION: "a name has 1 to 249 letters, digits, '.', '_' and '-'",
  INVALID_PARTITIONS: 'a topic has 1 partition or more, and never fewer than before',
  INVALID_REPLICATION_FACTOR: 'it cannot be above the number of brokers; --replication-factor 1 always works',
  INVALID_CONFIG: 'check the name and value given with --config',
  INVALID_TIMESTAMP: "the record's time lies outside what the topic takes (message.timestamp.*.max.ms)",
  INVALID_RECORD: 'a compacted topic takes no record without a key',
  MESSAGE_TOO_LARGE: 'raise max.message.bytes of the topic, or send less at once',
  RECORD_LIST_TOO_LARGE: 'a batch has to fit into a segment (segment.bytes)',
  OFFSET_OUT_OF_RANGE: '--offset start or --offset end always works; topic describe shows the range',
  NOT_ENOUGH_REPLICAS: 'fewer replicas are in sync than min.insync.replicas asks for; are all brokers up?',
  LEADER_NOT_AVAILABLE: 'the partition has no leader; are all brokers up?',
  REQUEST_TIMED_OUT: 'raise --timeout, or check that the addresses in advertised.listeners can be reached from here',
  NETWORK_EXCEPTION: 'check that the addresses in advertised.listeners can be reached from here',
  COORDINATOR_NOT_AVAILABLE: 'the group has no coordinator; are all brokers up?',
  UNSUPPORTED_VERSION: 'the broker is too old for this, or too new',
  TOPIC_AUTHORIZATION_FAILED: 'this client may not do that with the topic (ACLs)',
  GROUP_AUTHORIZATION_FAILED: 'this client may not use the group (ACLs)',
  CLUSTER_AUTHORIZATION_FAILED: 'this client may not do that on the cluster (ACLs)',
  TOPIC_DELETION_DISABLED: 'the broker has delete.topic.enable=false',
  UNSUPPORTED_COMPRESSION_TYPE: 'try another --compression',
}

const NOBODY_THERE = 'start one with: millrace start; or name another with --bootstrap-server host:port'

/** What the command fails with. An error that is not Kafka's is a bug and keeps its stack. */
export function clientFailure(error: unknown): unknown {
  if (error instanceof UnreachableError) {
    return new CommandFailure(ExitCode.UNREACHABLE, `no broker: ${error.message}\n  ${NOBODY_THERE}`, { cause: error })
  }
  if (!(error instanceof KafkaError)) return error
  // Refused by the client itself before it asked anybody: what was typed is wrong, and the message says how.
  if (error.code === 'INVALID_CONFIG' && error.message.startsWith('bootstrap servers')) {
    return new CommandFailure(ExitCode.USAGE, error.message, { cause: error })
  }
  const wayOut = WAYS_OUT[error.code]
  const message = `${error.message} (${error.code})${wayOut === undefined ? '' : `\n  ${wayOut}`}`
  const exitCode = error.code === 'NETWORK_EXCEPTION' ? ExitCode.UNREACHABLE : ExitCode.REFUSED
  return new CommandFailure(exitCode, message, { cause: error })
}

/** Runs a command's work and turns what the client throws into what the user reads. */
export async function tellingFailures<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw clientFailure(error)
  }
}

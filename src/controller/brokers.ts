// Owns the standing of brokers: registration, heartbeats, fencing, controlled shutdown. Never reads a clock: sessions are
// judged by broker-sessions.ts and told to it.
//
//   (unknown) ──register──▶ fenced ──heartbeat, caught up with its registration──▶ unfenced
//   unfenced ──wants to stop, others can lead──▶ in controlled shutdown ──leads nothing──▶ fenced, may stop
//   unfenced ──wants to stop, is the last──▶ fenced, may stop          any ──session over, or wants fence──▶ fenced
//   any ──registers anew──▶ fenced, under a new epoch
//
// Invariant: a broker acts under the epoch of its last registration, which is the offset of the record that says so.
import type { BrokerImage, MetadataImage } from '#metadata'
import {
  type BrokerHeartbeatRequest,
  type BrokerHeartbeatResponse,
  type BrokerRegistrationRequest,
  type BrokerRegistrationResponse,
  ErrorCode,
  KafkaError,
  type MetadataRecordInput,
} from '#protocol'
import type { ControllerResult } from './controller-result.ts'
import { recordsWhenBrokerLeaves, recordsWhenBrokerReturns } from './elections.ts'
import { checkFeatureSupport } from './features.ts'
import { isActive } from './partitions.ts'

/** Directory ids below this have a meaning of their own (unassigned, lost, migrating). */
const RESERVED_DIRECTORY = /^A{20}[A-D]/

export interface RegistrationInput {
  readonly image: MetadataImage
  readonly request: BrokerRegistrationRequest
  readonly clusterId: string
  /** Whether the broker that is registered under this id is alive, as far as its heartbeats say. */
  readonly sessionAlive: boolean
  /** Offset that the first record of this decision will have. */
  readonly nextOffset: bigint
}

export function registerBroker(input: RegistrationInput): ControllerResult<BrokerRegistrationResponse> {
  const { image, request } = input
  const { brokerId } = request
  checkRegistration(input)
  const before = image.brokers.get(brokerId)
  const sameIncarnation = before?.incarnationId === request.incarnationId
  // A repeated registration, whose answer got lost, keeps its epoch and its standing.
  const brokerEpoch = sameIncarnation ? before.brokerEpoch : input.nextOffset
  const registration: MetadataRecordInput = {
    type: 'RegisterBrokerRecord',
    brokerId,
    isMigratingZkBroker: false,
    incarnationId: request.incarnationId,
    brokerEpoch,
    endPoints: request.listeners,
    features: [...request.features].sort((a, b) => (a.name < b.name ? -1 : 1)),
    rack: request.rack,
    fenced: sameIncarnation ? before.fenced : true,
    inControlledShutdown: sameIncarnation ? before.inControlledShutdown : false,
    logDirs: [...request.logDirs].sort(),
    cordonedLogDirs: null,
  }
  const displaced = before === undefined || sameIncarnation ? [] : leave(image, brokerId)
  return {
    records: [registration, ...displaced],
    response: { throttleTimeMs: 0, errorCode: ErrorCode.NONE, brokerEpoch },
  }
}

function checkRegistration({ image, request, clusterId, sessionAlive }: RegistrationInput): void {
  const { brokerId, logDirs } = request
  if (request.clusterId !== clusterId) {
    throw new KafkaError(
      'INCONSISTENT_CLUSTER_ID',
      `Expected cluster ID ${clusterId}, but got cluster ID ${request.clusterId}`,
    )
  }
  const before = image.brokers.get(brokerId)
  if (before !== undefined && before.incarnationId !== request.incarnationId && sessionAlive) {
    throw new KafkaError(
      'DUPLICATE_BROKER_REGISTRATION',
      'Another broker is registered with that broker id. If the broker was recently restarted this should self-resolve ' +
        "once its predecessor's session expires.",
    )
  }
  if (request.isMigratingZkBroker) throw invalid('This controller takes no brokers that migrate from ZooKeeper.')
  if (request.listeners.length === 0) throw invalid('No listeners specified in request')
  if (new Set(logDirs).size !== logDirs.length) throw invalid('Duplicate directory ids in request')
  if (logDirs.some(id => RESERVED_DIRECTORY.test(id))) throw invalid('Reserved directory ID in request')
  for (const other of image.brokers.values()) {
    const shared = other.nodeId === brokerId ? undefined : other.directories.find(id => logDirs.includes(id))
    if (shared !== undefined) throw invalid(`Broker ${other.nodeId} is already registered with directory ${shared}`)
  }
  checkFeatureSupport(image, request.features)
}

function invalid(why: string): KafkaError {
  return new KafkaError('INVALID_REGISTRATION', why)
}

export function heartbeat(
  image: MetadataImage,
  request: BrokerHeartbeatRequest,
): ControllerResult<BrokerHeartbeatResponse> {
  const broker = registeredBroker(image, request.brokerId, request.brokerEpoch)
  const isCaughtUp = request.currentMetadataOffset >= broker.brokerEpoch
  const { records, isFenced, shouldShutDown } = nextStanding(image, broker, request, isCaughtUp)
  return {
    records,
    response: { throttleTimeMs: 0, errorCode: ErrorCode.NONE, isCaughtUp, isFenced, shouldShutDown },
  }
}

interface Standing {
  readonly records: readonly MetadataRecordInput[]
  readonly isFenced: boolean
  readonly shouldShutDown: boolean
}

function nextStanding(
  image: MetadataImage,
  broker: BrokerImage,
  { wantFence, wantShutDown }: BrokerHeartbeatRequest,
  isCaughtUp: boolean,
): Standing {
  if (broker.fenced) {
    const unfence = !wantFence && !wantShutDown && isCaughtUp
    return { records: unfence ? unfenced(image, broker) : [], isFenced: !unfence, shouldShutDown: wantShutDown }
  }
  if (wantFence) return { records: fenceBroker(image, broker), isFenced: true, shouldShutDown: wantShutDown }
  if (!wantShutDown) return { records: [], isFenced: false, shouldShutDown: false }
  const othersActive = [...image.brokers.values()].some(other => other !== broker && isActive(other))
  if (othersActive && leads(image, broker.nodeId)) {
    const records = broker.inControlledShutdown ? [] : controlledShutdown(image, broker)
    return { records, isFenced: false, shouldShutDown: false }
  }
  return { records: fenceBroker(image, broker), isFenced: true, shouldShutDown: true }
}

function unfenced(image: MetadataImage, broker: BrokerImage): readonly MetadataRecordInput[] {
  const isActiveNow = (id: number): boolean => isActive(image.brokers.get(id))
  return [standing(broker, { fenced: -1 }), ...recordsWhenBrokerReturns(image, broker.nodeId, isActiveNow)]
}

/** The broker stays registered, and leads nothing. */
export function fenceBroker(image: MetadataImage, broker: BrokerImage): readonly MetadataRecordInput[] {
  return [standing(broker, { fenced: 1 }), ...leave(image, broker.nodeId)]
}

function controlledShutdown(image: MetadataImage, broker: BrokerImage): readonly MetadataRecordInput[] {
  return [standing(broker, { inControlledShutdown: 1 }), ...leave(image, broker.nodeId)]
}

function standing(
  { nodeId, brokerEpoch }: BrokerImage,
  change: { readonly fenced?: number; readonly inControlledShutdown?: number },
): MetadataRecordInput {
  return { type: 'BrokerRegistrationChangeRecord', brokerId: nodeId, brokerEpoch, ...change }
}

function leave(image: MetadataImage, nodeId: number): readonly MetadataRecordInput[] {
  return recordsWhenBrokerLeaves(image, nodeId, id => isActive(image.brokers.get(id)))
}

function leads(image: MetadataImage, nodeId: number): boolean {
  for (const { partitions } of image.topics.all()) {
    if (partitions.some(partition => partition.leader === nodeId)) return true
  }
  return false
}

/** The broker that speaks, if it is who it says. */
export function registeredBroker(image: MetadataImage, brokerId: number, brokerEpoch: bigint): BrokerImage {
  const broker = image.brokers.get(brokerId)
  if (broker === undefined) throw new KafkaError('BROKER_ID_NOT_REGISTERED', `Broker ${brokerId} is not registered.`)
  if (broker.brokerEpoch !== brokerEpoch) {
    throw new KafkaError(
      'STALE_BROKER_EPOCH',
      `Broker ${brokerId} is in epoch ${broker.brokerEpoch}, not ${brokerEpoch}.`,
    )
  }
  return broker
}

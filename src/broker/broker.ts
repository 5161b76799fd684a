// Owns one node's life: what is opened in which order, when the port opens, and how everything stops.
// Never answers a request (router and handlers do) and never decides about the cluster (the controller does).
//
//   open log directories ─▶ bind sockets ─▶ controller ─▶ register ─▶ follow the metadata log ─▶ unfenced, every led
//   partition takes writes ─▶ port opens          stop: let go ─▶ groups ─▶ requests in flight ─▶ drain ─▶ sync, clean marker
//
// Invariant: the port accepts only between "every led partition takes writes" and the first step of `stop`.
import type { BrokerConfig } from '#config'
import { Controller } from '#controller'
import { GroupCoordinator } from '#coordinator'
import { type Host, Shutdown, type Timer } from '#host'
import { type BoundListener, BrokerHandle, NativeError, nativeBatchCodec, type RequestEvent } from '#native'
import type { Api, RequestInput, ResponseOf } from '#protocol'
import { advertisedVersions, servedVersions } from './advertised.ts'
import { handlers } from './apis/index.ts'
import { AutoCreate } from './auto-create.ts'
import type { ControllerChannel, ForwardContext } from './controller-channel.ts'
import { GroupLogs } from './group-logs.ts'
import { InProcessChannel } from './in-process-channel.ts'
import { adoptLogs } from './adoption.ts'
import { advertisedListeners, clientListeners } from './listeners.ts'
import { MetadataFollower } from './metadata-follower.ts'
import { nativeSettings } from './native-settings.ts'
import { nodeIdentity } from './node-identity.ts'
import { LogCleaner } from './partition-io/log-cleaner.ts'
import { PartitionIo } from './partition-io/pool.ts'
import { OfflinePartitions } from './offline-partitions.ts'
import { PartitionPublisher } from './partition-publisher.ts'
import { holdingProcess } from './process-hold.ts'
import { ProducerIds } from './producer-ids.ts'
import { Registration } from './registration.ts'
import type { BrokerServices } from './request-context.ts'
import { Router } from './router.ts'
import { GROUP_TOPIC } from './topic-names.ts'

/** The steps of a stop share two seconds; each has its own part, so that a stuck one cannot take another's. */
const LEAVE_TIMEOUT_MS = 300
const REQUESTS_TIMEOUT_MS = 300
const DRAIN_TIMEOUT_MS = 500
/** Between the heartbeats of a starting node that is still fenced. */
const FENCED_RETRY_MS = 10

export class Broker {
  /** Binds, starts and waits until every led partition takes writes. Throws ConfigError, ConfigFault, NativeError. */
  static start(config: BrokerConfig, host: Host): Promise<Broker> {
    return holdingProcess(async () => {
      const shutdown = new Shutdown(host.logger)
      try {
        return await Broker.#open(config, host, shutdown)
      } catch (error) {
        await shutdown.close()
        throw error
      }
    })
  }

  readonly nodeId: number
  readonly clusterId: string
  readonly logDirs: readonly string[]
  /** Where clients connect, with the ports that were really bound. */
  readonly listeners: readonly BoundListener[]
  /** Resolves when the broker can no longer go on by itself (its log directories failed); then call `stop`. */
  readonly failed: Promise<Error>
  readonly #parts: Parts
  #stopping: Promise<void> | undefined

  private constructor(parts: Parts) {
    this.#parts = parts
    this.nodeId = parts.services.nodeId
    this.clusterId = parts.services.clusterId
    this.logDirs = parts.services.config.logDirs
    this.listeners = parts.listeners
    this.failed = parts.failed
  }

  /** What the handlers are given; for code that runs inside the broker's process. */
  get services(): BrokerServices {
    return this.#parts.services
  }

  /** Counters of data plane and router by name. */
  metrics(): Readonly<Record<string, number>> {
    return { ...this.#parts.services.data.metrics(), ...this.#parts.router.counters }
  }

  /** Lets leaders move, finishes what is in flight, syncs and writes the clean marker. Idempotent; takes at most two seconds. */
  stop(): Promise<void> {
    this.#stopping ??= holdingProcess(() => this.#stop())
    return this.#stopping
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #stop(): Promise<void> {
    const { services, registration, router, shutdown } = this.#parts
    const { host, groups, data } = services
    const left = registration.leave(LEAVE_TIMEOUT_MS).catch((error: unknown) => {
      host.logger.warn('the controller did not let this node go', { error })
    })
    await atMost(LEAVE_TIMEOUT_MS, left, host)
    groups.close()
    await atMost(REQUESTS_TIMEOUT_MS, router.stop(), host)
    data.drain(DRAIN_TIMEOUT_MS)
    await shutdown.close()
    host.logger.child('broker').info('broker stopped', { nodeId: services.nodeId })
  }

  static async #open(config: BrokerConfig, host: Host, shutdown: Shutdown): Promise<Broker> {
    const logger = host.logger.child('broker')
    for (const warning of config.warnings) logger.warn(warning)
    const wanted = clientListeners(config)
    const identity = nodeIdentity(config, config.logDirs, host)
    const { nodeId } = identity
    const stored = Controller.read({ config, host, nodeId, batchCodec: nativeBatchCodec })
    let router: Router | undefined
    let fail: (error: Error) => void = () => {}
    const failed = new Promise<Error>(resolve => {
      fail = resolve
    })
    const offline = new OfflinePartitions(nodeId)
    const failedDirs = new Set<number>()
    const data = new BrokerHandle(nativeSettings(config, identity), {
      onRequest: (event: RequestEvent) => router?.onRequest(event),
      onConnectionClosed: connectionId => router?.onConnectionClosed(connectionId),
      onLogDirFailed: ({ logDirIndex, message }) => {
        const what = logDirIndex === null ? 'the data plane' : `the log directory ${config.logDirs[logDirIndex]}`
        logger.error(`${what} failed`, { reason: message })
        if (logDirIndex === null) return fail(new Error(`${what} failed: ${message}`))
        failedDirs.add(logDirIndex)
        offline.refresh(data)
        const held = config.logDirs[logDirIndex] === config.metadataLogDir
        if (held) fail(new Error(`${what} failed, and it holds the metadata log: ${message}`))
        else if (failedDirs.size === config.logDirs.length)
          fail(new Error(`${what} failed, and it was the last: ${message}`))
        else
          logger.warn('the partitions in it are offline, the other log directories serve on', {
            failed: failedDirs.size,
          })
      },
    })
    shutdown.onClose('data plane', () => data.close())
    const { directoryIds, clusterId, cleanShutdown, failed: unopened } = data.open()
    for (const { index, code, message } of unopened) {
      // The metadata log is there, or nowhere.
      if (config.logDirs[index] === config.metadataLogDir) throw new NativeError(code, message)
      failedDirs.add(index)
      logger.error('a log directory cannot be used; the others serve', {
        logDir: config.logDirs[index],
        reason: message,
      })
    }
    const listeners = data.bind(wanted)

    const controller = await Controller.start({ config, host, nodeId, clusterId, batchCodec: nativeBatchCodec, stored })
    shutdown.onClose('controller', () => controller.close())
    void controller.failed.then(fail)
    const channel: ControllerChannel = new InProcessChannel(controller)

    const groups = new GroupCoordinator({
      host,
      config,
      logs: new GroupLogs(data, () => follower.image),
      batchCodec: nativeBatchCodec,
      partitionCount: () => follower.image.topics.byName(GROUP_TOPIC)?.partitions.length,
    })
    const partitionIo = new PartitionIo({
      handle: data.handle,
      threads:
        config.number('num.recovery.threads.per.data.dir') * config.logDirs.length +
        config.number('log.cleaner.threads'),
    })
    shutdown.signal.addEventListener('abort', () => data.stopJobs())
    shutdown.onClose('pool partition-io', () => partitionIo.close())
    const cleaner = new LogCleaner({ config, data, partitionIo, host, logger: host.logger.child('log cleaner') })
    shutdown.onClose('log cleaner', () => cleaner.stop())
    const publisher = new PartitionPublisher({ nodeId, config, data, groups, partitionIo, host, logger })
    const follower = new MetadataFollower({
      channel,
      host,
      nodeId,
      clusterId,
      onImage: (change, previous) => publisher.publish(change, previous),
      onFailure: error => {
        logger.error('the metadata log cannot be followed any more', { error })
        fail(error)
      },
    })
    const registration = new Registration({
      channel,
      host,
      nodeId,
      clusterId,
      rack: config.get('broker.rack'),
      directoryIds,
      heartbeatIntervalMs: config.number('broker.heartbeat.interval.ms'),
      appliedOffset: () => follower.image.offset,
    })
    shutdown.onClose('metadata follower', () => {
      channel.close()
      return follower.stop()
    })

    const services: BrokerServices = {
      nodeId,
      clusterId,
      config,
      host,
      data,
      groups,
      channel,
      offline,
      apiVersions: advertisedVersions(),
      autoCreate: new AutoCreate(() => services),
      producerIds: new ProducerIds({ channel, nodeId, brokerEpoch: () => registration.brokerEpoch }),
      image: () => follower.image,
      coordinatorsLoaded: () => publisher.coordinatorsLoaded(),
      async forward<A extends Api>(
        api: A,
        version: number,
        request: RequestInput<A>,
        context: ForwardContext,
      ): Promise<ResponseOf<A>> {
        const answer = await channel.send(api, version, request, context)
        await follower.reached(answer.metadataOffset)
        return answer.response
      },
    }
    router = new Router({ services, data, logger, handlers, listenerNames: listeners.map(({ name }) => name) })
    data.setApiVersions(servedVersions())

    const brokerEpoch = await registration.register(advertisedListeners(config, listeners))
    data.setBrokerEpoch(brokerEpoch)
    follower.start()
    await follower.reached(brokerEpoch)
    await unfenced(registration, follower, host)
    await adoptLogs({
      logDirs: config.logDirs.filter((_, index) => !failedDirs.has(index)),
      nodeId,
      logger,
      channel,
      image: () => follower.image,
      reached: offset => follower.reached(offset),
      deleteRecords: (topicId, partition, offset) => data.deleteRecords(topicId, partition, offset),
    })
    await publisher.coordinatorsLoaded()
    if (unopened.length > 0) offline.refresh(data)
    const strays = data.setStraysAside()
    if (strays.length > 0)
      logger.warn('partitions that the cluster does not have on this node were set aside as -stray', { strays })
    data.listen()
    cleaner.start()
    logger.info('broker ready', { nodeId, clusterId, listeners, logDirs: config.logDirs, cleanShutdown })
    return new Broker({ services, registration, router, shutdown, listeners, failed })
  }
}

interface Parts {
  readonly services: BrokerServices
  readonly registration: Registration
  readonly router: Router
  readonly shutdown: Shutdown
  readonly listeners: readonly BoundListener[]
  readonly failed: Promise<Error>
}

/** Heartbeats until the controller lets this node lead and the image shows what it leads. */
async function unfenced(registration: Registration, follower: MetadataFollower, host: Host): Promise<void> {
  for (;;) {
    const { fenced, metadataOffset } = await registration.beat()
    await follower.reached(metadataOffset)
    if (!fenced) return
    await new Promise<void>(resolve => host.timers.setTimer(FENCED_RETRY_MS, resolve))
  }
}

async function atMost(timeoutMs: number, work: Promise<void>, host: Host): Promise<void> {
  let timer: Timer | undefined
  const timeout = new Promise<void>(resolve => {
    timer = host.timers.setTimer(timeoutMs, resolve)
  })
  await Promise.race([work, timeout])
  timer?.cancel()
}

/** Millrace: a Kafka broker inside a Node.js process. For tests see `millrace/test`, for clients `millrace/client`.
 *  Owns      the public door: what an application may import as `millrace`.
 *  May touch the inner doors it re-exports.
 *  Never     holds logic.
 *
 *  ```ts
 *  import { Broker, BrokerConfig, realHost } from 'millrace'
 *
 *  const config = BrokerConfig.load({ overrides: { listeners: 'PLAINTEXT://127.0.0.1:0', 'log.dirs': './data' } })
 *  const broker = await Broker.start(config, realHost())
 *  console.log(broker.listeners[0]?.port) // where any Kafka client can connect
 *  await broker.stop()
 *  ``` */
export { Broker, ConfigFault } from '#broker'
export { BrokerConfig, type BrokerConfigSource, ConfigError } from '#config'
export { type Host, type Logger, type LogLevel, type RealHostOptions, realHost } from '#host'
export { NativeError } from '#native'
export { KafkaError } from '#protocol'

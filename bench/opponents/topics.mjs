// Owns the creation of a row's topics, through KafkaJS, the same way on every broker.
import { Kafka, logLevel } from 'kafkajs'

export async function createTopic(bootstrap, topic, { partitions, configs = {} }) {
  const admin = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  try {
    const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value: String(value) }))
    const topics = [{ topic, numPartitions: partitions, replicationFactor: 1, configEntries }]
    await admin.createTopics({ topics, waitForLeaders: true })
  } finally {
    await admin.disconnect()
  }
}

// Owns the small admin work around client tests, done through KafkaJS so that no code of this project prepares its own proof.
import { type Admin, Kafka, logLevel } from 'kafkajs'

export async function kafkaAdmin<T>(bootstrap: string, work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  try {
    return await work(admin)
  } finally {
    await admin.disconnect()
  }
}

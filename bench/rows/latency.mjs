// Owns row 4: the time from handing a record to librdkafka to its acknowledgement, at a fixed rate (open loop), beside a bare echo.
import { join } from 'node:path'
import { startKafka } from '../opponents/apache-kafka.mjs'
import { limitLoad, startLimit } from '../opponents/limits.mjs'
import { startMillrace } from '../opponents/millrace.mjs'
import { rdkafkaLatency } from '../opponents/rdkafka.mjs'
import { measureLoad } from '../measured-load.mjs'
import { alternate, ratio } from '../rounds.mjs'

const sizeBytes = 100

export const latencyRow = options => latency(2_000, options)
export const latencyRowFast = options => latency(20_000, options)

async function latency(ratePerSecond, { rounds, directory, log, seconds = 8 }) {
  const count = ratePerSecond * seconds
  const limit = await startLimit('echo', { logFile: join(directory, 'limit.log') })
  const kafka = await startKafka(join(directory, 'kafka'))
  const millrace = await startMillrace(join(directory, 'millrace'))
  try {
    const broker = node => ({
      name: node.name,
      run: async () => {
        const { result, brokerCpu } = await measureLoad(node.pid, () =>
          rdkafkaLatency({ bootstrap: node.bootstrap, topic: 'row4', count, sizeBytes, ratePerSecond }),
        )
        return { ...result, cpuPerMillion: (brokerCpu.total * 1e6) / count }
      },
    })
    const bare = { name: 'bare echo, 64 B', run: () => limitLoad('ping', limit.port, 20_000) }
    // librdkafka's broker inside the client's own process: what client and machine take before any broker does.
    const mock = {
      name: 'librdkafka against its own mock',
      run: () =>
        rdkafkaLatency({
          bootstrap: 'mock:9092',
          topic: 'row4',
          count,
          sizeBytes,
          ratePerSecond,
          settings: { 'test.mock.num.brokers': 1 },
        }),
    }
    const samples = await alternate([bare, mock, broker(kafka), broker(millrace)], { rounds, warmUp: 1, log })
    const against = figure => ratio(samples, millrace.name, kafka.name, figure)
    return {
      row: `4 at ${ratePerSecond}/s`,
      title: `produce to ack, 100 B, linger 0, acks=1, ${ratePerSecond} records/s`,
      settings: {
        acks: 1,
        sync: 'page cache (no fdatasync before the ack) on both',
        lingerMs: 0,
        sizeBytes,
        count,
        rounds,
        load: 'rdkafka_performance -l',
      },
      samples,
      figures: ['p50Us', 'p99Us', 'p999Us', 'cpuPerMillion'],
      ratios: {
        'p50, Millrace / Kafka': against('p50Us'),
        'p99, Millrace / Kafka': against('p99Us'),
        'p99.9, Millrace / Kafka': against('p999Us'),
        'p99, Millrace / client floor': ratio(samples, millrace.name, mock.name, 'p99Us'),
      },
    }
  } finally {
    await Promise.all([limit.stop(), kafka.stop(), millrace.stop()])
  }
}

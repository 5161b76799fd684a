// The broker the client's integration tests run on: ours, or the one MILLRACE_TEST_BOOTSTRAP names (an Apache Kafka, to compare).
import { afterAll, beforeAll } from 'vitest'
import { startBroker, type TestBroker } from '#test-kit'

const foreign = process.env['MILLRACE_TEST_BOOTSTRAP']

/** Starts it before the tests of the file and stops it after them. */
export function brokerUnderTest(): { readonly bootstrap: string } {
  let bootstrap = foreign ?? ''
  let broker: TestBroker | undefined
  beforeAll(async () => {
    if (foreign !== undefined) return
    broker = await startBroker()
    bootstrap = broker.bootstrap
  })
  afterAll(() => broker?.stop())
  return {
    get bootstrap() {
      return bootstrap
    },
  }
}

let names = 0

/** Names nobody has used, also when the broker outlives the run. */
export function freshName(stem: string): string {
  names += 1
  return `${stem}-${process.pid}-${Date.now().toString(36)}-${names}`
}

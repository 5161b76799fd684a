/** Test kit: a real broker inside a test, with nothing to install and nothing to clean up.
 *  Owns      brokers on free ports with data that goes away.
 *  May touch the doors of broker, config and host.
 *  Never     behaves differently from production: it is the same broker with other settings.
 *  Start at  test-broker.ts. */
export { startBroker, type TestBroker, type TestBrokerOptions, type TestTopic } from './test-broker.ts'

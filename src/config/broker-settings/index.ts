// Owns the list of all settings of a broker, by the name a properties file uses.
import type { ConfigDefinition, ValueOfSetting } from '../config-definition.ts'
import { controllerSettings } from './controller.ts'
import { groupSettings } from './group.ts'
import { logSettings } from './log.ts'
import { networkSettings } from './network.ts'
import { nodeSettings } from './node.ts'
import { quotaSettings } from './quota.ts'
import { remoteSettings } from './remote.ts'
import { replicationSettings } from './replication.ts'
import { saslSettings } from './sasl.ts'
import { securitySettings } from './security.ts'
import { shareSettings } from './share.ts'
import { sslSettings } from './ssl.ts'
import { transactionSettings } from './transaction.ts'

const all = [
  ...nodeSettings,
  ...networkSettings,
  ...logSettings,
  ...replicationSettings,
  ...controllerSettings,
  ...groupSettings,
  ...shareSettings,
  ...transactionSettings,
  ...securitySettings,
  ...saslSettings,
  ...sslSettings,
  ...quotaSettings,
  ...remoteSettings,
] as const

type BrokerDefinition = (typeof all)[number]
export type BrokerSettingName = BrokerDefinition['name']
export type BrokerSettingValue<Name extends BrokerSettingName> = ValueOfSetting<
  Extract<BrokerDefinition, { name: Name }>
>

export const brokerSettings: ReadonlyMap<string, ConfigDefinition> = new Map(
  all.map(definition => [definition.name, definition]),
)

// Owns the settings that ask for something this version cannot do and that would be dangerous to ignore.
// Invariant: nobody gets an open broker, or a cluster of one, who asked for a closed one, or for several.
import type { BrokerConfig } from './broker-config.ts'
import { ConfigError } from './config-error.ts'

export function refuseUnsupported(config: BrokerConfig): void {
  const roles = config.get('process.roles')
  if (roles.length < 2) {
    throw new ConfigError(
      `process.roles=${roles.join(',')}: a node that is only one of both needs others, which this version cannot reach. ` +
        'Use process.roles=broker,controller',
    )
  }
  refuseQuorum('controller.quorum.voters', config.get('controller.quorum.voters'))
  refuseQuorum('controller.quorum.bootstrap.servers', config.get('controller.quorum.bootstrap.servers'))
  if (config.get('authorizer.class.name') !== '') {
    throw new ConfigError(
      'authorizer.class.name: this version cannot check what clients may do. Remove it to serve every client that connects',
    )
  }
  if (config.get('remote.log.storage.system.enable')) {
    throw new ConfigError(
      'remote.log.storage.system.enable: there is no tiered storage in this version. Set it to false',
    )
  }
}

function refuseQuorum(name: string, members: readonly string[]): void {
  if (members.length <= 1) return
  throw new ConfigError(
    `${name} names ${members.length} controllers: this version runs a quorum of one. Name only this node`,
  )
}

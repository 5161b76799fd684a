// Owns the settings of a broker for authorisation, delegation tokens, principals.
import { setting } from '../config-definition.ts'

export const securitySettings = [
  setting('authorizer.class.name', 'string', '', 'low', 'Class that decides who may do what; none when empty.'),
  setting(
    'principal.builder.class',
    'class',
    'org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder',
    'medium',
    'Class that turns a login into a principal.',
    { mode: 'per-broker' },
  ),
  setting('security.providers', 'string', null, 'low', 'Security provider classes, as Java understands them.'),
  setting(
    'delegation.token.secret.key',
    'password',
    null,
    'medium',
    'Secret that signs delegation tokens; the same on every node.',
  ),
  setting(
    'delegation.token.max.lifetime.ms',
    'long',
    '604800000',
    'medium',
    'Longest life of a delegation token, renewals included.',
    { min: 1 },
  ),
  setting(
    'delegation.token.expiry.time.ms',
    'long',
    '86400000',
    'medium',
    'Life of a delegation token between two renewals.',
    { min: 1 },
  ),
  setting(
    'delegation.token.expiry.check.interval.ms',
    'long',
    '3600000',
    'low',
    'Time between two removals of expired delegation tokens.',
    { min: 1 },
  ),
] as const

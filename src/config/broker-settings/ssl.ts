// Owns the settings of a broker for TLS.
import { setting } from '../config-definition.ts'

export const sslSettings = [
  setting('ssl.protocol', 'string', 'TLSv1.3', 'medium', 'TLS version to begin with.', { mode: 'per-broker' }),
  setting('ssl.enabled.protocols', 'list', 'TLSv1.2,TLSv1.3', 'medium', 'TLS versions that are accepted.', {
    mayBeEmpty: true,
    mode: 'per-broker',
  }),
  setting(
    'ssl.cipher.suites',
    'list',
    '',
    'medium',
    "Cipher suites that are accepted; the platform's choice when empty.",
    { mayBeEmpty: true, mode: 'per-broker' },
  ),
  setting(
    'ssl.client.auth',
    'string',
    'none',
    'medium',
    'Whether clients must show a certificate: required, requested or none.',
    { oneOf: ['required', 'requested', 'none'], mode: 'per-broker' },
  ),
  setting(
    'ssl.endpoint.identification.algorithm',
    'string',
    'https',
    'low',
    "How the name in a server's certificate is checked; empty for not at all.",
    { mode: 'per-broker' },
  ),
  setting('ssl.provider', 'string', null, 'medium', 'Security provider of the TLS implementation.', {
    mode: 'per-broker',
  }),
  setting('ssl.engine.factory.class', 'class', null, 'low', 'Class that makes TLS engines.', { mode: 'per-broker' }),
  setting('ssl.secure.random.implementation', 'string', null, 'low', 'Random number generator for TLS.', {
    mode: 'per-broker',
  }),
  setting(
    'ssl.principal.mapping.rules',
    'string',
    'DEFAULT',
    'low',
    "Rules that turn a certificate's name into a principal; the first match counts.",
  ),
  setting('ssl.allow.dn.changes', 'boolean', 'false', 'low', 'Allow a reloaded certificate to carry another name.'),
  setting(
    'ssl.allow.san.changes',
    'boolean',
    'false',
    'low',
    'Allow a reloaded certificate to carry other alternative names.',
  ),
  setting('ssl.keystore.type', 'string', 'JKS', 'medium', 'Format of the key store: JKS, PKCS12 or PEM.', {
    mode: 'per-broker',
  }),
  setting('ssl.keystore.location', 'string', null, 'medium', 'File of the key store.', { mode: 'per-broker' }),
  setting('ssl.keystore.password', 'password', null, 'medium', 'Password of the key store.', { mode: 'per-broker' }),
  setting('ssl.keystore.key', 'password', null, 'medium', 'Private key as PEM text.', { mode: 'per-broker' }),
  setting('ssl.keystore.certificate.chain', 'password', null, 'medium', 'Certificate chain as PEM text.', {
    mode: 'per-broker',
  }),
  setting('ssl.key.password', 'password', null, 'medium', 'Password of the private key.', { mode: 'per-broker' }),
  setting('ssl.keymanager.algorithm', 'string', 'SunX509', 'medium', 'Key manager algorithm, as Java names it.', {
    mode: 'per-broker',
  }),
  setting('ssl.truststore.type', 'string', 'JKS', 'medium', 'Format of the trust store: JKS, PKCS12 or PEM.', {
    mode: 'per-broker',
  }),
  setting('ssl.truststore.location', 'string', null, 'medium', 'File of the trust store.', { mode: 'per-broker' }),
  setting('ssl.truststore.password', 'password', null, 'medium', 'Password of the trust store.', {
    mode: 'per-broker',
  }),
  setting('ssl.truststore.certificates', 'password', null, 'medium', 'Trusted certificates as PEM text.', {
    mode: 'per-broker',
  }),
  setting('ssl.trustmanager.algorithm', 'string', 'PKIX', 'medium', 'Trust manager algorithm, as Java names it.', {
    mode: 'per-broker',
  }),
] as const

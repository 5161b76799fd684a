// Owns the error of settings that cannot work together or on this machine. Single values are checked by #config.

export class ConfigFault extends Error {
  override readonly name = 'ConfigFault'
  readonly property: string

  constructor(property: string, fault: string) {
    super(`${property}: ${fault}`)
    this.property = property
  }
}

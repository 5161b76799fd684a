// Owns the error of a data directory that cannot be carried on. Invariant: when it is thrown nothing in the directory was changed.

export class RefusedDirectory extends Error {
  override readonly name = 'RefusedDirectory'
  readonly code = 'REFUSED_DIRECTORY'

  constructor(directory: string, why: string, options?: ErrorOptions) {
    super(`${directory} cannot be used, and was left as it is: ${why}`, options)
  }
}

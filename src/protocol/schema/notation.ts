// Owns the notation in which messages are written: one object literal of typed fields describes all versions of a message.
// Never encodes anything, and at import an API is not more than its name and versions: its fields are built on first use.
// Invariant: the order of the keys of a fields literal is the order on the wire; `since` and `until` are inclusive versions.

export type Kind =
  | 'bool'
  | 'int8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'int64'
  | 'float64'
  | 'uuid'
  | 'string'
  | 'bytes'
  | 'records'
  | 'array'
  | 'struct'

export interface FieldOptions<T> {
  /** First version that carries the field; absent = every version. */
  readonly since?: number
  /** Last version that carries the field. */
  readonly until?: number
  /** `true`, or the first version in which null may be sent. */
  readonly nullable?: true | number
  /** Value of an absent field. Without it: 0, false, '', empty bytes, [], the zero uuid, a struct of defaults. */
  readonly default?: T | null
  /** Number of the tagged field; tagged fields are sent only when they differ from their default (KIP-482). */
  readonly tag?: number
  /** A non-default value may be dropped silently in versions without the field; otherwise encoding it is an error. */
  readonly ignorable?: true
}

/** One field. `$out` and `$in` exist in the type system only: the decoded type and the type accepted for encoding. */
export interface Field<Out = unknown, In = unknown> {
  readonly kind: Kind
  readonly options: FieldOptions<unknown>
  readonly element?: Field
  readonly fields?: Fields
  readonly $out: Out
  readonly $in: In
}

export type Fields = Readonly<Record<string, Field>>

export type Decoded<F extends Fields> = { readonly [K in keyof F]: F[K]['$out'] }
export type Input<F extends Fields> = { readonly [K in keyof F]?: F[K]['$in'] | undefined }

type OrNull<O> = O extends { readonly nullable: true | number } ? null : never

const NO_OPTIONS = {}

function field(kind: Kind, options: FieldOptions<unknown> = NO_OPTIONS): Field<never, never> {
  return { kind, options } as Field<never, never>
}

export function bool(options?: FieldOptions<boolean>): Field<boolean, boolean> {
  return field('bool', options)
}
export function int8(options?: FieldOptions<number>): Field<number, number> {
  return field('int8', options)
}
export function int16(options?: FieldOptions<number>): Field<number, number> {
  return field('int16', options)
}
export function uint16(options?: FieldOptions<number>): Field<number, number> {
  return field('uint16', options)
}
export function int32(options?: FieldOptions<number>): Field<number, number> {
  return field('int32', options)
}
export function int64(options?: FieldOptions<bigint>): Field<bigint, bigint> {
  return field('int64', options)
}
export function float64(options?: FieldOptions<number>): Field<number, number> {
  return field('float64', options)
}
/** 16 bytes on the wire, Kafka's 22-character base64url text in TypeScript. */
export function uuid(options?: FieldOptions<string>): Field<string, string> {
  return field('uuid', options)
}
export function string<const O extends FieldOptions<string>>(
  options?: O,
): Field<string | OrNull<O>, string | OrNull<O>> {
  return field('string', options)
}
/** Decoded as a view of the frame, not a copy. */
export function bytes<const O extends FieldOptions<Buffer>>(
  options?: O,
): Field<Buffer | OrNull<O>, Buffer | OrNull<O>> {
  return field('bytes', options)
}
/** Record batches: bytes on the wire, kept apart because their content has its own format (records/). */
export function records<const O extends FieldOptions<Buffer>>(
  options?: O,
): Field<Buffer | OrNull<O>, Buffer | OrNull<O>> {
  return field('records', options)
}
export function array<E extends Field, const O extends FieldOptions<readonly never[]>>(
  element: E,
  options?: O,
): Field<readonly E['$out'][] | OrNull<O>, readonly E['$in'][] | OrNull<O>> {
  return { kind: 'array', options: options ?? NO_OPTIONS, element } as unknown as Field<never, never>
}
export function struct<F extends Fields, const O extends FieldOptions<never>>(
  fields: F,
  options?: O,
): Field<Decoded<F> | OrNull<O>, Input<F> | OrNull<O>> {
  return { kind: 'struct', options: options ?? NO_OPTIONS, fields } as unknown as Field<never, never>
}

/** A message that is not a request or a response: a header, a record of a log. */
export interface Message<F extends Fields = Fields> {
  readonly name: string
  /** Lowest and highest version, inclusive. */
  readonly versions: readonly [number, number]
  /** First flexible version (compact lengths and tagged fields), null when there is none. */
  readonly flexible: number | null
  readonly fields: F
}

export type MessageOf<M extends Message> = Decoded<M['fields']>
export type MessageInput<M extends Message> = Input<M['fields']>

export function message<const M extends Message>(definition: M): M {
  return definition
}

export type ListenerKind = 'broker' | 'controller'

/** One API: both directions, all versions. */
export interface Api<Q extends Fields = Fields, S extends Fields = Fields> {
  readonly key: number
  readonly name: string
  readonly versions: readonly [number, number]
  /** Minimum to advertise where it is lower than what is served (Produce: old librdkafka compares exact versions). */
  readonly advertisedMin?: number
  readonly flexible: number | null
  /** Which listeners serve it in Kafka. */
  readonly listeners: readonly ListenerKind[]
  readonly request: Q
  readonly response: S
}

export type RequestOf<A extends Api> = Decoded<A['request']>
export type ResponseOf<A extends Api> = Decoded<A['response']>
export type RequestInput<A extends Api> = Input<A['request']>
export type ResponseInput<A extends Api> = Input<A['response']>

/** As it is written down: the fields in functions, so that a process builds only the messages it meets. */
export interface ApiDefinition<Q extends Fields, S extends Fields> extends Omit<Api, 'request' | 'response'> {
  readonly request: () => Q
  readonly response: () => S
}

export function api<Q extends Fields, S extends Fields>(definition: ApiDefinition<Q, S>): Api<Q, S> {
  let request: Q | undefined
  let response: S | undefined
  return {
    ...definition,
    get request() {
      return (request ??= definition.request())
    },
    get response() {
      return (response ??= definition.response())
    },
  }
}

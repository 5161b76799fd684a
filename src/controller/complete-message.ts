// Owns the filling in of fields that a sender left out: an in-process channel passes requests as they were written, without
// the encoding and decoding that would give every field its default.
// Never copies what is complete already, and never touches bytes.
import { defaultsOf, type Field, type Fields } from '#protocol'

type Plain = Readonly<Record<string, unknown>>

/** The message with every field of its newest version. */
export function completeMessage<T>(fields: Fields, message: unknown): T {
  return completeStruct(fields, message as Plain) as T
}

function completeStruct(fields: Fields, value: Plain): Plain {
  const complete: Record<string, unknown> = { ...defaultsOf(fields) }
  for (const [name, field] of Object.entries(fields)) {
    const given = value[name]
    if (given !== undefined) complete[name] = completeValue(field, given)
  }
  return complete
}

function completeValue(field: Field, value: unknown): unknown {
  if (value === null) return null
  if (field.kind === 'struct') return completeStruct(field.fields as Fields, value as Plain)
  if (field.kind !== 'array' || field.element?.kind !== 'struct') return value
  const { fields } = field.element
  return (value as readonly Plain[]).map(element => completeStruct(fields as Fields, element))
}

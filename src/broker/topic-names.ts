// Owns what may be a topic name, and the name of the coordinators' topic.

const NAME_LENGTH_MAX = 249
const LEGAL_NAME = /^[a-zA-Z0-9._-]+$/

export const GROUP_TOPIC = '__consumer_offsets'

/** Null when the name is legal, else what is wrong with it. */
export function topicNameFault(name: string): string | null {
  if (name === '') return 'the empty string is not allowed'
  if (name === '.' || name === '..') return `'${name}' is not allowed`
  if (name.length > NAME_LENGTH_MAX)
    return `the length of '${name}' is longer than the max allowed length ${NAME_LENGTH_MAX}`
  if (!LEGAL_NAME.test(name)) {
    return `'${name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'`
  }
  return null
}

// Owns which names a topic may have.

const NAME_LENGTH_MAX = 249
const LEGAL_NAME = /^[a-zA-Z0-9._-]+$/

/** The topic of the metadata log itself: nobody creates or deletes it. */
export const METADATA_TOPIC = '__cluster_metadata'
export const METADATA_TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ'

/** What is wrong with a name, or null. */
export function topicNameFault(name: string): string | null {
  if (name === '') return 'Topic name is invalid: the empty string is not allowed'
  if (name === '.' || name === '..') return `Topic name is invalid: '${name}' is not allowed`
  if (name.length > NAME_LENGTH_MAX) {
    return `Topic name is invalid: the length of '${name}' is longer than the max allowed length ${NAME_LENGTH_MAX}`
  }
  if (LEGAL_NAME.test(name)) return null
  return `Topic name is invalid: '${name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'`
}

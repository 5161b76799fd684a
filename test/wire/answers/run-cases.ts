// Owns the run of all cases against one peer, and the table their answers make: by API and case, versions that answer alike together.
import type { AnswerCase } from './answer-case.ts'
import { configCases } from './config-cases.ts'
import { fetchCases } from './fetch-cases.ts'
import { prepare } from './fixture.ts'
import { metadataCases } from './metadata-cases.ts'
import { normalForm } from './normal-form.ts'
import { offsetCases } from './offset-cases.ts'
import { Peer } from './peer.ts'
import { produceCases } from './produce-cases.ts'
import { topicCases } from './topic-cases.ts'

/** `Api: case` → versions (`3-8`) → answer. */
export type AnswerTable = Readonly<Record<string, Readonly<Record<string, unknown>>>>

/** The order matters: later cases see what earlier ones did. */
const cases: readonly AnswerCase[] = [
  ...metadataCases,
  ...fetchCases,
  ...produceCases,
  ...offsetCases,
  ...configCases,
  ...topicCases,
]

export const caseName = ({ api, what }: AnswerCase): string => `${api.name}: ${what}`
export const caseNames = cases.map(caseName)
export const requestCount = cases.reduce((sum, { versions: [from, to] }) => sum + to - from + 1, 0)

export async function answersOf(port: number, settleMs: number): Promise<AnswerTable> {
  const peer = new Peer(port, settleMs)
  await prepare(peer)
  const byCase = new Map(cases.map(each => [each, [] as unknown[]]))
  for (const group of groups()) {
    const first = Math.min(...group.map(({ versions }) => versions[0]))
    const last = Math.max(...group.map(({ versions }) => versions[1]))
    for (let version = first; version <= last; version += 1) {
      for (const each of group) {
        if (version < each.versions[0] || version > each.versions[1]) continue
        const answer = await peer.ask(each, version)
        if (typeof answer === 'object') each.keep?.(answer as never, peer, version)
        byCase.get(each)?.push(normalForm(answer, peer))
      }
    }
  }
  peer.close()
  return Object.fromEntries(cases.map(each => [caseName(each), byVersions(each, byCase.get(each) ?? [])]))
}

/** Cases of one API run version by version, so that those which build on each other meet the same version. */
function groups(): AnswerCase[][] {
  const groups: AnswerCase[][] = []
  for (const each of cases) {
    const last = groups.at(-1)
    if (last?.[0]?.api === each.api) last.push(each)
    else groups.push([each])
  }
  return groups
}

function byVersions(each: AnswerCase, answers: readonly unknown[]): Record<string, unknown> {
  const table: Record<string, unknown> = {}
  const [min] = each.versions
  let from = 0
  for (let index = 1; index <= answers.length; index += 1) {
    if (index < answers.length && JSON.stringify(answers[index]) === JSON.stringify(answers[from])) continue
    table[index - from === 1 ? `${min + from}` : `${min + from}-${min + index - 1}`] = answers[from]
    from = index
  }
  return table
}

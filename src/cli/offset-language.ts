// Owns the words for where to start reading: `start`, `end`, `42`, `-10`, `@1700000000000`, `@2026-01-31T12:00:00Z`, `@-15m`.
import type { OffsetSpec } from '#client'
import { CommandFailure, ExitCode } from './exit-codes.ts'

const UNITS_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

export function parseOffset(text: string, nowMs: number): OffsetSpec {
  if (text === 'start' || text === 'earliest' || text === 'beginning') return 'earliest'
  if (text === 'end' || text === 'latest') return 'latest'
  if (/^\d{1,18}$/.test(text)) return { offset: BigInt(text) }
  if (/^-\d{1,15}$/.test(text)) return { last: Number(text.slice(1)) }
  const timestamp = text.startsWith('@') ? parseTime(text.slice(1), nowMs) : null
  if (timestamp !== null) return { timestamp }
  throw new CommandFailure(
    ExitCode.USAGE,
    `'${text}' is no offset: start, end, a number, -N for the last N, or @time (milliseconds, an ISO date, or -15m, -2h, -1d)`,
  )
}

function parseTime(text: string, nowMs: number): bigint | null {
  if (/^\d{1,15}$/.test(text)) return BigInt(text)
  const ago = /^-(\d{1,9})([smhd])$/.exec(text)
  if (ago) return BigInt(Math.max(0, nowMs - Number(ago[1]) * (UNITS_MS[ago[2] as string] as number)))
  const atMs = /^\d{4}-/.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(atMs) || atMs < 0 ? null : BigInt(atMs)
}

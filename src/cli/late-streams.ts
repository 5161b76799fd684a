// Owns the output streams as the parser of the command line sees them: made when they are written to, or on a terminal.
// Node builds a stream object at its first touch, which takes 2 ms; a broker whose output is a pipe opens its port first.
import { fstatSync } from 'node:fs'
import type { StricliProcess } from '@stricli/core'

type Output = StricliProcess['stdout']

const STDOUT = 1
const STDERR = 2

export function processWithLateStreams(): StricliProcess {
  return {
    stdout: lateStream(STDOUT, () => process.stdout),
    stderr: lateStream(STDERR, () => process.stderr),
    env: process.env,
    set exitCode(code: number | string | null) {
      process.exitCode = code ?? undefined
    },
    get exitCode() {
      return process.exitCode ?? null
    },
  }
}

function lateStream(descriptor: number, stream: () => Output): Output {
  return {
    write: text => stream().write(text),
    getColorDepth: env => (isCharacterDevice(descriptor) ? (stream().getColorDepth?.(env) ?? 1) : 1),
  }
}

/** A terminal is one. A descriptor that is closed has no colors either. */
function isCharacterDevice(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isCharacterDevice()
  } catch {
    return false
  }
}

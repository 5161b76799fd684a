// Owns the wait for a server that is starting: by its port, which no output is quicker than.
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export async function portOpens(port) {
  for (;;) {
    const isOpen = await new Promise(done => {
      const socket = connect({ port, host: '127.0.0.1' }, () => {
        socket.destroy()
        done(true)
      })
      socket.on('error', () => done(false))
    })
    if (isOpen) return
    await sleep(1)
  }
}

/** @typedef {import('./sessions.js').User} User */
/** @typedef {ReturnType<typeof openStream>} Stream */

/** Bytes a reader may fall behind. It is let go then, and resumes from the log when it is back. */
const maxBacklog = 1024 * 1024

/**
 * Turns a response into an event stream that can be cut.
 *
 * @param {import('express').Response} res
 * @param {{ kind: 'prices' | 'answer', user: User, streams: Set<any> }} options
 *   `streams` holds the stream for as long as it is open.
 */
export function openStream(res, { kind, user, streams }) {
  let cut = false

  const stream = {
    kind,
    user,

    /** @param {string} wire */
    write(wire) {
      if (res.writableEnded || res.destroyed) return
      if (cut) {
        // Half an event, by bytes: the client has seen its id, but must not count it as received.
        const bytes = Buffer.from(wire)
        res.write(bytes.subarray(0, bytes.length >> 1), () => res.destroy())
      } else {
        res.write(wire)
        if (res.writableLength > maxBacklog) res.destroy()
      }
    },

    /** The next event is sent by half, and then the socket is gone. */
    cutAtNextWrite() {
      cut = true
    },

    end() {
      res.end()
    },
  }

  res.writeHead(200, { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' })
  streams.add(stream)
  res.on('close', () => streams.delete(stream))
  return stream
}

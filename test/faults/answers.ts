import type { Socket } from 'node:net'
import { serveRaw, type TestServer } from '../support/server'

/** What a server does with one request. */
export type Answer = (socket: Socket) => unknown

export interface AnsweringServer extends TestServer {
  /** Every request in order, by its method and the ID it resumes from: `GET`, `POST 7`. */
  readonly requests: readonly string[]
}

/** Answers each request with the next of these, and with a 204, the end, when there are no more. */
export async function serveAnswers(
  answers: readonly Answer[],
  onRequest?: (request: string) => void,
): Promise<AnsweringServer> {
  const requests: string[] = []
  const rest = [...answers]
  const server = await serveRaw((socket) => {
    let received = ''
    socket.on('data', (bytes) => {
      received += bytes.toString('latin1')
      const head = received.indexOf('\r\n\r\n')
      const length = Number(/\ncontent-length: *(\d+)/i.exec(received)?.[1] ?? 0)
      if (head < 0 || received.length < head + 4 + length) return
      const id = /\nlast-event-id: *([^\r]*)/i.exec(received)?.[1]
      const request = [received.slice(0, received.indexOf(' ')), id].filter(Boolean).join(' ')
      received = received.slice(head + 4 + length)
      requests.push(request)
      onRequest?.(request)
      const answer = rest.shift() ?? status(204)
      answer(socket)
    })
  })
  return { ...server, requests }
}

const HEAD = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n'

/** The bytes as they are, and the connection stays open. */
export const bytes =
  (text: string): Answer =>
  (socket) =>
    socket.write(text)

/** An event stream whose end is that of the connection, which stays open. */
export const stream = (text: string): Answer => bytes(`${HEAD}\r\n${text}`)

/** An event stream in one chunk, without the chunk that ends it. */
export const chunked = (text: string): Answer =>
  bytes(
    `${HEAD}transfer-encoding: chunked\r\n\r\n${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`,
  )

/** An event stream that claims to be so many bytes longer than it is. */
export const sized = (text: string, more = 0): Answer =>
  bytes(`${HEAD}content-length: ${Buffer.byteLength(text) + more}\r\n\r\n${text}`)

/** An answer without a stream. */
export const status = (code: number, headers = '', body = ''): Answer =>
  bytes(
    `HTTP/1.1 ${code} Said So\r\n${headers}${code === 204 ? '' : `content-length: ${body.length}\r\n`}\r\n${body}`,
  )

/** ... and closes the connection. */
export const fin =
  (answer?: Answer): Answer =>
  (socket) => {
    answer?.(socket)
    socket.end()
  }

/** Resets the connection, with nothing said. */
export const reset: Answer = (socket) => socket.resetAndDestroy()

/** Goes on writing these until the connection is closed. */
export const trickle =
  (parts: readonly string[], every: number, answer?: Answer): Answer =>
  (socket) => {
    answer?.(socket)
    const rest = [...parts]
    const timer = setInterval(() => {
      const part = rest.shift()
      if (part === undefined) clearInterval(timer)
      else socket.write(part)
    }, every)
    socket.on('close', () => clearInterval(timer))
  }

export const silence: Answer = () => {}

import { createServer } from 'node:http'
import type { Socket } from 'node:net'
import { expect, onTestFinished } from 'vitest'

/** What a server does about one request. */
export interface Answer {
  status?: number
  headers?: Record<string, string>
  /** What it sends, each a write of its own. */
  chunks?: readonly string[]
  /** What it does then: it ends the body, cuts the connection, or stays silent. Default: it ends. */
  after?: 'end' | 'cut' | 'silence'
}

/** A request, as `'POST /path?query'`, with what a test may ask about it. */
export interface Asked {
  readonly line: string
  readonly body: unknown
  readonly headers: NodeJS.Dict<string | string[]>
}

/** A service that gives each request the next of the answers, and `silence` after the last. */
export async function model(...answers: (Answer | ((asked: Asked) => Answer) | 'no headers')[]) {
  const asked: Asked[] = []
  const lines: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    const answer = answers[asked.length] ?? 'no headers'
    const now = {
      line: `${request.method} ${request.url}`,
      body: text && JSON.parse(text),
      headers: request.headers,
    }
    asked.push(now)
    lines.push(now.line)
    if (answer === 'no headers') return
    const made = typeof answer === 'function' ? answer(now) : answer
    const { status = 200, headers, chunks = [], after: next = 'end' } = made
    const type = status === 200 ? 'text/event-stream' : 'application/json'
    response.writeHead(status, { 'content-type': type, ...headers })
    response.flushHeaders()
    // Each has a turn of its own, so that it is a chunk of its own.
    for (const chunk of chunks) {
      response.write(chunk)
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    if (next === 'end') response.end()
    if (next === 'cut') response.destroy()
  })
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  const { port } = server.address() as { port: number }
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    lines,
    /** Resolves once no request is open. */
    async left() {
      while ([...sockets].some(({ bytesRead }) => bytesRead > 0)) {
        server.closeIdleConnections()
        await new Promise((resolve) => setTimeout(resolve, 2))
      }
    },
  }
}

/** A refusal that says what a provider says. */
export const refuse = (status: number, message: string): Answer => ({
  status,
  headers: { 'retry-after-ms': '1' },
  chunks: [JSON.stringify({ error: { message } })],
})

/** No test waits a second. */
export const quick = { delay: 1, jitter: 0 }

export async function text(deltas: AsyncIterable<string>): Promise<string> {
  let whole = ''
  for await (const delta of deltas) whole += delta
  return whole
}

/**
 * Presses Stop at every moment of an answer: before the request, before the headers, during the wait
 * after a refusal, and after each of the chunks. Each time the reader gets the reason, the request is
 * made once, and its socket is closed.
 */
export async function stopAtEveryMoment(
  chunks: readonly string[],
  read: (url: string, signal: AbortSignal) => Promise<unknown>,
): Promise<void> {
  const reason = new Error('Stop')
  const untilStopped = (url: string, signal: AbortSignal) =>
    expect(read(url, signal)).rejects.toBe(reason)

  const never = await model()
  await untilStopped(never.url, AbortSignal.abort(reason))
  expect(never.lines).toEqual([])

  const busy: Answer = { status: 429, headers: { 'retry-after': '50' } }
  const moments: (Answer | 'no headers')[] = ['no headers', busy]
  for (let count = 0; count <= chunks.length; count++) {
    moments.push({ chunks: chunks.slice(0, count), after: 'silence' })
  }
  await Promise.all(
    moments.map(async (moment) => {
      const service = await model(moment)
      const stop = new AbortController()
      const reading = untilStopped(service.url, stop.signal)
      while (service.asked.length === 0) await new Promise((resolve) => setTimeout(resolve, 2))
      await new Promise((resolve) => setTimeout(resolve, 30))
      stop.abort(reason)
      await reading
      await service.left()
      expect(service.lines).toHaveLength(1)
    }),
  )
}

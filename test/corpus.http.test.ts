import { HttpResponse, http } from 'msw'
import { setupServer } from 'msw/node'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { SseError } from '../src/errors'
import { events } from '../src/faces/events'
import type { ServerSentEvent } from '../src/parser/event'
import { corpus, type Outcome } from './corpus'
import { body } from './support/response'
import { serveRaw } from './support/server'

/** Chunk sizes that fit nothing: they cut lines, endings and characters. */
function* oddChunks(wire: Uint8Array): Generator<Uint8Array> {
  const sizes = [1, 2, 3, 5, 1, 7, 4, 11, 61]
  for (let start = 0, index = 0; start < wire.length; index++) {
    const end = start + (sizes[index % sizes.length] as number)
    yield wire.subarray(start, end)
    start = end
  }
}

/** What a stream comes to that ends without a reconnect. */
async function outcome(url: string, face: 'batches' | 'one by one'): Promise<Outcome> {
  const stream = events(url, { retry: false })
  const found: ServerSentEvent[] = []
  try {
    if (face === 'batches') for await (const batch of stream.batches()) found.push(...batch)
    else for await (const event of stream) found.push(event)
  } catch (error) {
    // Some rows end within an event.
    if (!(error instanceof SseError && error.code === 'truncated')) throw error
  }
  const { lastEventId, reconnectionTime } = stream
  return { events: found, lastEventId, reconnectionTime }
}

/** 1,000 is the reconnection time of a server that asks for none. */
const expectedOf = ({ reconnectionTime = 1000, ...rest }: Outcome): Outcome => ({
  ...rest,
  reconnectionTime,
})

describe('over msw', () => {
  const url = 'https://tidings.example/feed'
  const server = setupServer()
  beforeAll(() => server.listen({ onUnhandledRequest: 'error' }))
  afterEach(() => server.resetHandlers())
  afterAll(() => server.close())

  test.each(corpus)('%s', async (_, wire, expected) => {
    server.use(
      http.get(
        url,
        () =>
          new HttpResponse(body([...oddChunks(wire)]), {
            headers: { 'content-type': 'text/event-stream' },
          }),
      ),
    )
    expect(await outcome(url, 'one by one')).toEqual(expectedOf(expected))
    expect(await outcome(url, 'batches')).toEqual(expectedOf(expected))
  })
})

describe('over a socket', () => {
  const head = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream;charset=utf-8\r\n'

  test.each(corpus)('%s', async (_, wire, expected) => {
    const { url } = await serveRaw((socket) => {
      socket.setNoDelay()
      socket.once('data', () => {
        socket.write(`${head}Transfer-Encoding: chunked\r\n\r\n`)
        for (const chunk of oddChunks(wire)) {
          // The framing is cut too: the socket may send the size apart from the bytes.
          socket.write(`${chunk.length.toString(16)}\r\n`)
          socket.write(chunk)
          socket.write('\r\n')
        }
        socket.end('0\r\n\r\n')
      })
    })
    expect(await outcome(url, 'one by one')).toEqual(expectedOf(expected))
    expect(await outcome(url, 'batches')).toEqual(expectedOf(expected))
  })

  test('a stream of no declared length ends with its socket', async () => {
    const { url } = await serveRaw((socket) => {
      socket.once('data', () =>
        socket.end(`${head}Connection: close\r\n\r\nid: 1\ndata: a\n\ndata`),
      )
    })
    expect(await outcome(url, 'one by one')).toEqual({
      events: [{ type: 'message', data: 'a', lastEventId: '1' }],
      lastEventId: '1',
      reconnectionTime: 1000,
    })
  })
})

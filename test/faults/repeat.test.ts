import { type AddressInfo, createServer, type Server } from 'node:net'
import { createSession } from 'better-sse'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { type EventsOptions, events } from '../../src/faces/events'
import { follow } from '../support/fetch'
import { serve, serveRaw } from '../support/server'
import { type Answer, bytes, chunked, fin, reset, serveAnswers, status, stream } from './answers'
import { hurry } from './hurry'

/** What a request that may cost money, or do something, is repeated for, and what it is not. */
beforeEach(() => hurry(100))

const ask: EventsOptions = { json: { prompt: 'why?' }, until: '[DONE]' }

/** What the reader of an answer sees: its texts, then how it ended; and what the server was asked. */
async function answer(answers: readonly Answer[], options: EventsOptions = ask) {
  const server = await serveAnswers(answers)
  const shown: string[] = []
  await follow(
    events(server.url, {
      ...options,
      onReconnect: () => shown.push('again'),
    }),
    shown,
  )
  return [shown.join(' '), server.requests.join(', ')]
}

const numbered = 'id:1\ndata:Hel\n\nid:2\ndata:lo\n\n'

describe('a POST whose service gives IDs is sent once', () => {
  test('where it ends without its terminal event', async () => {
    const answers = Array<Answer>(6).fill(fin(stream(numbered)))
    expect(await answer(answers)).toEqual(['message:Hel message:lo throws:truncated', 'POST'])
  })

  test('where it is cut', async () => {
    for (const end of [reset, fin()]) {
      const cut: Answer = (socket) => {
        chunked(numbered)(socket)
        setTimeout(() => end(socket), 2000)
      }
      const shown = await answer(Array<Answer>(6).fill(cut))
      expect(shown).toEqual(['message:Hel message:lo throws:network', 'POST'])
    }
  })

  test('by better-sse, which puts a random ID on each event', async () => {
    let runs = 0
    const server = await serve(async (request, response) => {
      runs++
      const session = await createSession(request, response)
      session.push('Hel')
      setTimeout(() => response.destroy(), 2000)
    })
    const shown: string[] = []
    await follow(events(server.url, ask), shown)
    expect([shown, runs]).toEqual([['message:"Hel"', 'throws:network'], 1])
  })

  test('by NestJS, which numbers them on each connection and says 201', async () => {
    let runs = 0
    const server = await serve((_, response) => {
      runs++
      response.writeHead(201, { 'content-type': 'text/event-stream' })
      response.write(': \n\nid: 1\ndata: Hel\n\n')
      setTimeout(() => response.destroy(), 2000)
    })
    const shown: string[] = []
    await follow(events(server.url, ask), shown)
    expect([shown, runs]).toEqual([['message:Hel', 'throws:network'], 1])
  })

  test.each<[string, EventsOptions]>([
    ['retry: { maxRetries: 2 }, which says when', { retry: { maxRetries: 2 } }],
    ['a policy', { retry: () => 0 }],
    ['an ID to begin with', { lastEventId: '7' }],
    ['a cursor', { cursor: ({ lastEventId }) => lastEventId }],
    ['a headers function', { headers: () => ({ authorization: 'x' }) }],
  ])('for all that it has %s', async (_, options) => {
    const [shown] = await answer(Array<Answer>(6).fill(fin(stream(numbered))), {
      ...ask,
      ...options,
    })
    expect(shown).toBe('message:Hel message:lo throws:truncated')
  })

  test('also where half an answer is all there is, without until', async () => {
    const half = fin(stream('data: Hel\n\ndata: l'))
    expect(await answer([half], { json: 1 })).toEqual(['message:Hel throws:truncated', 'POST'])
  })
})

describe('a POST that is refused', () => {
  test('by 429 is tried again twice, and then thrown with what the server says', async () => {
    const quota = '{"error":{"code":"insufficient_quota"}}'
    const server = await serveAnswers(Array<Answer>(9).fill(status(429, '', quota)))
    const told: number[] = []
    const onReconnect = ({ failures }: { failures: number }) => told.push(failures)
    const source = events(server.url, { ...ask, onReconnect })
    await expect(source[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'status',
      status: 429,
      body: quota,
      attempt: 3,
    })
    expect([told, server.requests.length]).toEqual([[1, 2], 3])
  })

  test('by 503 is thrown, because gateways say so of requests that go on running', async () => {
    expect(await answer([status(503)])).toEqual(['throws:status', 'POST'])
  })

  test('by 503 is tried again where the answer invites it', async () => {
    const busy = status(503, 'retry-after: 1\r\n')
    const done = fin(stream('data: Hello\n\ndata: [DONE]\n\n'))
    expect(await answer([busy, busy, done])).toEqual([
      'again again message:Hello done',
      'POST, POST, POST',
    ])
  })

  test('with x-should-retry: false is thrown at once', async () => {
    const no = 'x-should-retry: false\r\n'
    expect(await answer([status(429, no)])).toEqual(['throws:status', 'POST'])
    expect(await answer([status(503, `${no}retry-after: 1\r\n`)])).toEqual([
      'throws:status',
      'POST',
    ])
  })

  test('the two are in a row: an answer that begins ends the count', async () => {
    const answers = [
      status(429),
      status(429),
      fin(stream(numbered)),
      status(429),
      status(429),
      fin(stream('data: !\n\ndata: [DONE]\n\n')),
    ]
    const [shown] = await answer(answers, { ...ask, resume: 'same' })
    expect(shown).toBe('again again message:Hel message:lo again again again message:! done')
  })
})

describe('a POST that was never sent', () => {
  /** A port that nobody listens on, until `open` is called. */
  async function closedPort() {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    await new Promise((resolve) => server.close(resolve))
    return port
  }

  test('because a server restarts, is sent when it is back', async () => {
    vi.unstubAllGlobals()
    const port = await closedPort()
    let runs = 0
    let server: Server | undefined
    setTimeout(() => {
      server = createServer((socket) => {
        socket.once('data', () => {
          runs++
          socket.end('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: [DONE]\n\n')
        })
      }).listen(port, '127.0.0.1')
    }, 700)
    onTestFinished(() => void server?.close())
    const shown: string[] = []
    await follow(events(`http://127.0.0.1:${port}`, ask), shown)
    expect([shown, runs]).toEqual([['done'], 1])
  })

  test('because nobody listens, is given up after two more attempts', async () => {
    const told: unknown[] = []
    const source = events(`http://127.0.0.1:${await closedPort()}`, {
      ...ask,
      onReconnect: ({ error }) => told.push(error?.code),
    })
    await expect(source[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'network',
      attempt: 3,
    })
    expect(told).toEqual(['network', 'network'])
  })

  test('is another than one that was cut after the server had it', async () => {
    const server = await serveRaw((socket) => {
      socket.once('data', () => socket.resetAndDestroy())
    })
    const shown: string[] = []
    await follow(events(server.url, ask), shown)
    expect(shown).toEqual(['throws:network'])
  })
})

describe('resume', () => {
  const TYPE = { 'content-type': 'text/event-stream' }

  test('sends no header of the stream to another origin', async () => {
    const asked: unknown[] = []
    const other = await serve(({ headers }, response) => {
      asked.push(headers.authorization)
      response.writeHead(200, TYPE).end('data: [DONE]\n\n')
    })
    const own = await serve((_, response) => {
      response.writeHead(200, { ...TYPE, location: `${other.url}/run` }).end('data: a\n\n')
    })
    const source = (headers?: Record<string, string>) =>
      events(own.url, {
        ...ask,
        headers: { authorization: 'Bearer t' },
        resume: ({ first }) => {
          const input = first.headers.get('location') as string
          return headers ? { input, headers } : input
        },
      })
    const failed = source()
    const read = async () => {
      for await (const _ of failed);
    }
    await expect(read()).rejects.toMatchObject({ code: 'redirect', location: `${other.url}/run` })
    expect(asked).toEqual([])
    // With headers of its own it is the caller's word.
    const shown: string[] = []
    await follow(source({}), shown)
    expect([shown, asked]).toEqual([['message:a', 'done'], [undefined]])
  })

  test('goes by the first response for as long as the stream is not complete', async () => {
    const asked: string[] = []
    const server = await serve(({ method, url, headers }, response) => {
      asked.push([method, url, headers['last-event-id']].filter(Boolean).join(' '))
      response.writeHead(200, { ...TYPE, location: '/run' })
      if (asked.length < 3) response.write(`id: ${asked.length}\ndata: a\n\n`)
      else response.end('data: [DONE]\n\n')
    })
    const source = events(server.url, {
      ...ask,
      resume: ({ first }) => first.headers.get('location'),
    })
    for await (const _ of source) break
    for await (const _ of source) source.reconnect()
    for await (const _ of source);
    expect(asked).toEqual(['POST /', 'GET /run 1', 'GET /run 2', 'POST / 2'])
  })
})

describe('a chat answered by GET', () => {
  test('is not asked for twice, or its answer would be shown twice', async () => {
    const cut = fin(stream('data: Hel\n\n'))
    expect(await answer([cut], { until: '[DONE]' })).toEqual([
      'message:Hel throws:truncated',
      'GET',
    ])
    const unfinished = bytes(
      'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 99\r\n\r\n',
    )
    expect(await answer([fin(unfinished), cut], { until: '[DONE]' })).toEqual([
      'again message:Hel throws:truncated',
      'GET, GET',
    ])
  })
})

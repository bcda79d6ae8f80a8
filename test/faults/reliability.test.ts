import { existsSync, readFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { SseError } from '../../src/errors'
import { EventSource } from '../../src/faces/event-source'
import { type EventsOptions, events } from '../../src/faces/events'
import { fetchEventSource } from '../../src/faces/fetch-event-source'
import { answering, type Answer as Reply } from '../support/fetch'
import { live, stream as streamOf } from '../support/response'
import {
  type Answer,
  bytes,
  chunked,
  fin,
  reset,
  serveAnswers,
  silence,
  sized,
  status,
  stream,
} from './answers'
import { hurry } from './hurry'

/** The rows under this heading of docs/reliability.md: the docs are the tables that are tested. */
function documented(heading: string): string[][] {
  const page = readFileSync(new URL('../../docs/reliability.md', import.meta.url), 'utf8')
  const section = page.split(`# ${heading}\n`)[1]?.split('\n## ')[0] ?? ''
  const rows = section.split('\n').filter((line) => line.startsWith('| '))
  return rows.slice(1).map((row) => row.slice(2, -2).split(' | '))
}

/** What a cell says: how often it is tried again, how often of these at once, and how it ends. */
interface Verdict {
  readonly again: number
  readonly atOnce: number
  readonly end: string
}

function verdictOf(cell: string): Verdict | undefined {
  if (cell === '–') return undefined
  if (cell === 'again') return { again: Number.POSITIVE_INFINITY, atOnce: 0, end: 'complete' }
  const parts = /^(?:once|again, (\d+)|(at once, again)): (?:`([\w-]+)`|complete)$/.exec(cell)
  if (!parts) throw new Error(`Expected a cell that can be read, got ${cell}`)
  const [, count, twice, code = 'complete'] = parts
  return { again: twice ? 2 : Number(count ?? 0), atOnce: twice ? 1 : 0, end: code }
}

test('every promise in docs/reliability.md names tests that are there', () => {
  const named = documented('Reliability').flatMap(
    (row) => row.at(-1)?.match(/test\/[\w./-]+/g) ?? [],
  )
  expect(named.length).toBeGreaterThan(10)
  for (const path of named) {
    expect(existsSync(new URL(`../../${path}`, import.meta.url)), path).toBe(true)
  }
})

describe('no unsafe repeat: the table in docs/reliability.md', () => {
  interface Outcome {
    /** None: no server hears of the request. */
    readonly answer?: Answer
    readonly options?: EventsOptions
    /** The answer to the first request. */
    readonly before?: Answer
    /** The answer that ends the stream well. Default: a 204. */
    readonly last?: Answer
  }
  const open = stream('data: a\n\n')
  const until = { options: { until: 'last' }, last: chunked('data: last\n\n') }
  const opened = chunked('id: 1\ndata: FIN\n\n')
  const html = fin(bytes('HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n<p>'))
  const outcomes: Record<string, Record<string, Outcome>> = {
    'clean end of the body': { '': { answer: fin(open) } },
    'truncated body': {
      '': { answer: chunked('data: FIN\n\n') },
      'by a reset': { answer: chunked('data: RST\n\n') },
      'short of its length': { answer: sized('data: FIN\n\n', 1) },
    },
    'end within an event': {
      '': { answer: sized('data: a\n\ndata: b\n') },
      'that its connection delimits': { answer: fin(stream('data: a\n\nda')) },
    },
    'end before `until`, where the stream has a place': {
      '': { ...until, answer: fin(stream('id: 1\ndata: a\n\n')) },
    },
    'end before `until`, where it has none': { '': { ...until, answer: fin(open) } },
    'truncated body before `until`, where it has none': {
      '': { ...until, answer: chunked('data: FIN\n\n') },
    },
    'connection refused': { '': {} },
    'connection reset before the headers': { '': { answer: reset } },
    'not open within `connectTimeout`': {
      '': { answer: silence, options: { connectTimeout: 50 } },
      'for an onOpen that hangs': {
        answer: open,
        options: {
          connectTimeout: 50,
          onOpen: () => new Promise(() => {}),
        },
      },
    },
    'silence for `idleTimeout`': { '': { answer: open, options: { idleTimeout: 50 } } },
    '425, 429, 529': byStatus([425, 429, 529]),
    '408, 500, 502, 503, 504, 520 to 530': byStatus([408, 500, 502, 503, 504, 520, 524, 530]),
    '408, 409, 500, 502, 503, 504 with `Retry-After` or `retry-after-ms`': {
      ...byStatus([408, 409, 500, 502, 503, 504], 'retry-after: 1\r\n'),
      ...byStatus([408, 409, 503], 'retry-after-ms: 1500\r\n'),
    },
    'any refused status with `x-should-retry: true`': byStatus(
      [400, 403, 404, 408, 501, 503],
      'x-should-retry: true\r\n',
    ),
    'any refused status with `x-should-retry: false`': byStatus(
      [404, 408, 425, 429, 503],
      'x-should-retry: false\r\n',
    ),
    '401, where `headers` is a function': {
      '': { answer: status(401), options: { headers: () => ({}) } },
    },
    '401, where it is not': { '': { answer: status(401), options: { headers: { a: 'b' } } } },
    '404, once the stream has been open': { '': { before: opened, answer: status(404) } },
    'another content type, once the stream has been open': {
      '': { before: opened, answer: html },
    },
    'any other status, 403 say': byStatus([203, 400, 403, 404, 409, 501]),
    'another content type': {
      '': { answer: bytes('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n') },
      'a page': { answer: html },
    },
    'a 204': byStatus([204]),
    'a 204 before `until`, after an event': {
      '': { ...until, before: opened, answer: status(204) },
    },
    'a redirect to another origin, with headers of yours': {
      '': {
        answer: status(307, 'location: http://other.invalid/\r\n'),
        options: { headers: { 'x-key': 'k' } },
      },
    },
    'a redirect that turns the method into GET': {
      '': { answer: status(303, 'location: /\r\n') },
    },
    'an event over `maxEventSize`': {
      '': { answer: stream(`data: ${'x'.repeat(51)}`), options: { maxEventSize: 50 } },
    },
    'a throw in `decode`': {
      '': {
        answer: stream('data: {\n\n'),
        options: { decode: (data) => (data === '{' ? JSON.parse(data) : data) } as EventsOptions,
      },
    },
    'a throw in `onOpen`': {
      '': {
        answer: open,
        options: {
          onOpen: () => {
            throw new Error('no')
          },
        },
      },
    },
  }

  function byStatus(codes: number[], headers = ''): Record<string, Outcome> {
    return Object.fromEntries(
      codes.map((code) => [
        `${code} ${headers.trim().replace(/:.*/, '')}`,
        { answer: status(code, headers) },
      ]),
    )
  }

  // The waits are those of the default policy.
  beforeEach(() => hurry(1000))

  /** Meets the outcome so many times in a row, and then an end that is well. */
  async function attempts(method: string, outcome: Outcome, times: number, more: EventsOptions) {
    const { answer, before, last = status(204), options } = outcome
    const answers = Array<Answer | undefined>(times).fill(answer)
    const requests: string[] = []
    const server = await serveAnswers(
      [before, ...answers, last].filter((answer) => answer !== undefined),
      (request) => requests.push(request),
    )
    let refused = answer ? 0 : times
    let waits = 0
    let end = 'complete'
    try {
      const stream = events(server.url, {
        method,
        onReconnect: () => waits++,
        fetch(url, init) {
          if (refused === 0) return fetch(url, init)
          refused--
          requests.push(method)
          return fetch(closed, init)
        },
        ...options,
        ...more,
      })
      for await (const { data } of stream) {
        for (const socket of server.sockets) {
          if (data === 'FIN') socket.end()
          if (data === 'RST') socket.resetAndDestroy()
        }
      }
    } catch (error) {
      if (!(error instanceof SseError)) throw error
      end = error.code
    }
    expect(new Set(requests.map((request) => request.split(' ')[0]))).toEqual(new Set([method]))
    return { requests: requests.length, waits, end }
  }

  let closed = ''
  beforeAll(async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    closed = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    await new Promise((resolve) => server.close(resolve))
  })

  const rows = documented('No unsafe repeat')

  test('has a row for each outcome', () => {
    expect(rows.map(([outcome]) => outcome)).toEqual(Object.keys(outcomes))
  })

  for (const [name = '', safe = '', unsafe = '', resumed = ''] of rows) {
    const columns = [
      ...['GET', 'OPTIONS', 'QUERY', 'REPORT'].map((method) => [method, safe, {}] as const),
      ...['POST', 'PUT', 'PATCH', 'DELETE'].map((method) => [method, unsafe, {}] as const),
      ['POST', resumed, { resume: 'same' }] as const,
    ]
    for (const [detail, outcome] of Object.entries(outcomes[name] ?? {})) {
      for (const [method, cell, options] of columns) {
        const verdict = verdictOf(cell)
        if (!verdict) continue
        const title = `${method}${'resume' in options ? ' with resume' : ''}`
        test(`${title}: ${name} ${detail}: ${cell}`, async () => {
          const { again, atOnce, end } = verdict
          // More than any number of the table, or enough to be told from it.
          const times = again < Number.POSITIVE_INFINITY ? 8 : 3
          const before = outcome.before ? 1 : 0
          const retries = before + Math.min(again, times)
          expect(await attempts(method, outcome, times, options)).toEqual({
            requests: retries + 1,
            waits: retries - atOnce,
            end,
          })
        })
      }
    }
  }
})

describe('what changes the table', () => {
  /** The requests, by method and last event ID, the events, and how it ended. */
  async function story(answers: readonly Answer[], options: EventsOptions = {}): Promise<string> {
    const told: string[] = []
    const server = await serveAnswers(answers, (request) => told.push(request))
    const retry = { delay: 1, jitter: 0 }
    try {
      for await (const { data } of events(server.url, { retry, ...options })) {
        told.push(data)
        if (data === 'FIN') for (const socket of server.sockets) socket.end()
      }
      told.push('done')
    } catch (error) {
      told.push(error instanceof SseError ? error.code : `${error}`)
    }
    return told.join(' ')
  }
  const post = { method: 'POST' } as const

  test('retry says when and how often, not whether', async () => {
    expect(await story([chunked('data: FIN\n\n')], { ...post, retry: { maxRetries: 2 } })).toBe(
      'POST FIN network',
    )
    const busy = Array<Answer>(9).fill(status(429))
    expect(await story(busy, { ...post, retry: { delay: 1, maxRetries: 4 } })).toBe(
      `${'POST '.repeat(5)}status`,
    )
    expect(await story(busy, { ...post, retry: () => 1 })).toBe('POST POST POST status')
  })

  test('retry: false repeats nothing', async () => {
    for (const [answer, end] of [
      [reset, 'network'],
      [status(503), 'status'],
      [fin(stream('')), 'done'],
    ] as const) {
      expect(await story([answer], { retry: false })).toBe(`GET ${end}`)
    }
  })

  test('retry: false repeats the first 401 that a headers function can answer', async () => {
    const options = { retry: false, headers: () => ({}) } as const
    expect(await story([status(401)], options)).toBe('GET GET done')
    expect(await story([status(401), status(401)], options)).toBe('GET GET status')
  })

  test('an ID is no leave to repeat what is not safe', async () => {
    expect(await story([chunked('id: 1\ndata: FIN\n\n')], post)).toBe('POST FIN network')
    expect(await story([reset], { ...post, lastEventId: '7' })).toBe('POST 7 network')
  })

  test('a resume function makes another request', async () => {
    const answers = [chunked('id: 1\ndata: FIN\n\n'), fin(stream('data: b\n\n'))]
    expect(await story(answers, { ...post, resume: () => '/on' })).toBe('POST FIN GET 1 b done')
  })

  test('onEnd says what a clean end means', async () => {
    const end = fin(stream('data: a\n\n'))
    const reconnects = { onEnd: 'reconnect', resume: 'same' } as const
    expect(await story([end], { ...post, ...reconnects })).toBe('POST a POST done')
    expect(await story([end], { onEnd: 'complete' })).toBe('GET a done')
  })

  test('a body that is a stream is sent once', async () => {
    const body = new Response('prompt').body
    expect(await story([reset], { ...post, body, resume: 'same' })).toBe('POST unrepeatable')
  })

  test('EventSource takes every status but 200 for final', async () => {
    for (const [answer, expected] of [
      [status(503), 'GET error:status:2'],
      [status(401), 'GET error:status:2'],
      [status(204), 'GET error:status:2'],
      [reset, 'GET error:network:0 GET error:status:2'],
    ] as const) {
      const told: string[] = []
      const server = await serveAnswers([answer], (request) => told.push(request))
      await new Promise<void>((resolve) => {
        const source = new EventSource(server.url)
        source.onerror = ({ error }) => {
          const { code } = error as SseError
          told.push(`error:${code}:${source.readyState}`)
          if (source.readyState === 2) resolve()
          else source.reconnect()
        }
      })
      expect(told.join(' ')).toBe(expected)
    }
  })

  test('fetchEventSource asks onerror, whatever the method', async () => {
    const told: string[] = []
    const server = await serveAnswers([reset, status(500), fin(stream('data: a\n\n'))], (request) =>
      told.push(request),
    )
    await fetchEventSource(server.url, {
      method: 'POST',
      onmessage: ({ data }) => told.push(data),
      onerror: () => 1,
    })
    expect(told).toEqual(['POST', 'POST', 'POST', 'a'])
  })
})

describe('how long it waits: the table in docs/reliability.md', () => {
  const URL = 'http://x/'
  beforeEach(() => {
    vi.spyOn(Math, 'random').mockReturnValue(0)
  })
  afterEach(() => {
    vi.restoreAllMocks()
  })

  /** A status that may be repeated whatever the method. */
  const refusal = (headers: HeadersInit) => new Response(null, { status: 429, headers })
  const now = Date.now()
  const dates = {
    date: new Date(now).toUTCString(),
    'retry-after': new Date(now + 7000).toUTCString(),
  }

  function answerOf(said: string): Response {
    if (said === 'nothing') return refusal({})
    if (said.startsWith('`Retry-After` with a date')) return refusal(dates)
    const [, name = '', value = ''] = /^`([\w-]+): (\d+)`/.exec(said) ?? []
    if (name === 'retry') return streamOf([`retry: ${value}\ndata: 1\n\n`], new Error('cut'))
    return refusal({ [name]: value })
  }

  async function waited(said: string, method: string): Promise<string> {
    let wait = 'none'
    const { fetch } = answering(answerOf(said))
    const source = events(URL, {
      method,
      fetch,
      onReconnect({ delay }) {
        wait = `${delay / 1000} s`
        source.close()
      },
    })
    try {
      for await (const _ of source);
      return wait
    } catch (error) {
      expect((error as SseError).retryAfter).toBeGreaterThan(50_000)
      return 'throws'
    }
  }

  for (const [said = '', safe, unsafe] of documented('How long it waits')) {
    test(`${said}: ${safe}; not safe: ${unsafe}`, async () => {
      expect(await waited(said, 'GET')).toBe(safe)
      if (unsafe !== '–') expect(await waited(said, 'POST')).toBe(unsafe)
    })
  }
})

describe('what is progress: the table in docs/reliability.md', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  const cut = (wire: string) => streamOf([wire], new Error('cut'))
  const one = 'id: 1\ndata: 1\n\n'
  const two = 'id: 2\ndata: 2\n\n'
  /** The connection before the trouble, and the one after it. */
  const connections: Record<string, [before: Reply, after: Reply]> = {
    'stayed open as long as the wait before it, at least 1 s, at most 5 s': [
      streamOf([one]),
      () => {
        const { response, fail } = live()
        setTimeout(() => fail(new Error('cut')), 5000)
        return response
      },
    ],
    'delivered new events, and ended cleanly': [streamOf([one]), streamOf([two])],
    'delivered one new event, and was cut': [streamOf([one]), cut(two)],
    'delivered two events or more, the last one new, and was cut': [streamOf([]), cut(one + two)],
    'delivered the same last event as the connection before': [streamOf([one]), streamOf([one])],
    'delivered nothing': [streamOf([one]), streamOf([':\n\n'])],
  }
  const rows = documented('What is progress')

  test('has a row for each connection', () => {
    expect(rows.map(([did]) => did)).toEqual(Object.keys(connections))
  })

  test.each(rows)('%s: %s', async (did, count) => {
    const [before, after] = connections[did as string] as [Reply, Reply]
    const { fetch } = answering(before, new Error('no network'), new Error('no network'), after)
    const failures: number[] = []
    const source = events('http://x/', {
      fetch,
      onReconnect(reconnect) {
        failures.push(reconnect.failures)
        if (failures.length === 4) source.close()
      },
    })
    const read = (async () => {
      for await (const _ of source);
    })()
    await vi.advanceTimersByTimeAsync(60_000)
    await read
    const trouble = failures[2] as number
    expect(trouble).toBeGreaterThan(2)
    expect(failures[3]).toBe(count === 'cleared' ? 1 : trouble + 1)
  })

  test('a second is not enough after a longer wait, and less than that never is', async () => {
    for (const [open, count] of [
      [999, 4],
      [1000, 1],
    ] as const) {
      const closing = () => {
        const { response, fail } = live()
        setTimeout(() => fail(new Error('cut')), open)
        return response
      }
      const { fetch } = answering(...[1, 2, 3].map(() => new Error('no')), closing)
      const failures: number[] = []
      const source = events('http://x/', {
        fetch,
        retry: { delay: 10 },
        onReconnect: (reconnect) => failures.push(reconnect.failures),
      })
      source[Symbol.asyncIterator]().next()
      await vi.advanceTimersByTimeAsync(3000)
      source.close()
      expect(failures).toEqual([1, 2, 3, count])
    }
  })
})

describe('functions that fail: the table in docs/reliability.md', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  const error = (more: object, cause?: unknown) =>
    Object.assign(new Error('failed', { cause }), more)
  const response = (status: number) => ({ response: { status } })
  const thrown: Record<string, unknown[]> = {
    'a `TypeError`, as `fetch` throws when the network is down': [new TypeError('fetch failed')],
    'an error whose cause is a `TypeError`': [error({}, new TypeError('Failed to fetch'))],
    'an error with the code `ECONNREFUSED`, its own or its cause’s': [
      error({ code: 'ECONNREFUSED' }),
      error({}, error({ code: 'ECONNREFUSED' })),
      error({ code: 'ConnectionRefused' }),
    ],
    'an error named `TimeoutError`': [new DOMException('late', 'TimeoutError')],
    'an error with status 502, its own or its response’s': [
      error({ status: 502 }),
      error(response(502)),
      response(429),
    ],
    'an error with `retriable: true`': [error({ retriable: true }), { retriable: true }],
    '`new Error(’refresh failed: 502’)`': [new Error('refresh failed: 502')],
    'a text': ['refresh failed', undefined, null],
    'an error with the code `auth/user-token-expired`': [
      error({ code: 'auth/user-token-expired' }),
    ],
    'an error with status 401, its own, its response’s or its cause’s': [
      error({ status: 401 }),
      error(response(401)),
      error({}, error({ status: 401 })),
      // What says that it would not be retried counts first.
      error({ status: 403, code: 'ERR_BAD_REQUEST' }),
    ],
    'an error with `retriable: false`': [error({ retriable: false, code: 'ECONNREFUSED' })],
    'an `SseError` with the code `auth`': [new SseError('auth', 'log in')],
  }
  const rows = documented('Functions that fail').map(([what = '', cell = '']) => [
    what.replaceAll("'", '’'),
    cell,
  ])

  test('has a row for each', () => {
    expect(rows.map(([what]) => what)).toEqual(Object.keys(thrown))
  })

  const functions = ['headers', 'body', 'json', 'input', 'resume'] as const

  async function attempts(name: (typeof functions)[number], what: unknown, method: string) {
    let calls = 0
    const fail = (): never => {
      if (++calls <= 5) throw what
      return (name === 'json' || name === 'headers' ? {} : 'http://x/') as never
    }
    // What resume makes comes after a response.
    const opened = streamOf(['id: 1\ndata: 1\n\n'], new Error('cut'))
    const answers = [...(name === 'resume' ? [opened] : []), new Response(null, { status: 204 })]
    const source = events(name === 'input' ? fail : 'http://x/', {
      method,
      fetch: answering(...answers).fetch,
      ...(name !== 'input' && { [name]: fail }),
    })
    const ended = (async () => {
      for await (const _ of source);
    })().then(
      () => 'complete',
      (error) => error,
    )
    await vi.advanceTimersByTimeAsync(300_000)
    source.close()
    return { calls, end: await ended }
  }

  for (const [what = '', cell = ''] of rows) {
    test.each(functions)(`of %s: ${what}: ${cell}`, async (name) => {
      const { again, end: code } = verdictOf(cell) as Verdict
      for (const each of thrown[what] ?? []) {
        for (const method of ['GET', 'POST']) {
          if (method === 'GET' && (name === 'body' || name === 'json')) continue
          const { calls, end } = await attempts(name, each, method)
          // Unless resume makes it, a request that is not safe is tried again twice.
          const limit = method === 'POST' && name !== 'resume' ? 2 : Number.POSITIVE_INFINITY
          expect(calls).toBe(Math.min(again, limit, 5) + 1)
          if (Math.min(again, limit) > 5) expect(end).toBe('complete')
          else {
            expect(end).toBeInstanceOf(SseError)
            expect(end.code).toBe(code === 'complete' ? 'network' : code)
            if (!(each instanceof SseError)) expect(end.cause).toBe(each)
          }
        }
      }
    })
  }

  test('one that never settles is ended by connectTimeout', async () => {
    let calls = 0
    const { fetch } = answering(new Response(null, { status: 204 }))
    const headers = () => (++calls < 3 ? new Promise<never>(() => {}) : {})
    const source = events('http://x/', { headers, fetch, connectTimeout: 1000 })
    const next = source[Symbol.asyncIterator]().next()
    await vi.advanceTimersByTimeAsync(20_000)
    expect([calls, await next]).toEqual([3, { done: true, value: undefined }])
  })
})

import { get } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { beforeEach, describe, expect, test } from 'vitest'
import { bearer } from '../../src/auth/bearer'
import type { SseError } from '../../src/errors'
import { type EventsOptions, events } from '../../src/faces/events'
import { serve } from '../support/server'
import { hurry } from './hurry'

beforeEach(() => hurry(1000))

const TYPE = { 'content-type': 'text/event-stream' }

/** A feed that takes one token, and cuts its line after each event. */
async function serveFeed({ good = 'good', status = 401, last = 3 } = {}) {
  const asked: string[] = []
  const state = { good }
  const server = await serve(({ method, url = '', headers }, response) => {
    const token = headers.authorization ?? new URL(url, 'http://x').searchParams.get('ticket')
    const id = Number(headers['last-event-id'] ?? 0)
    asked.push([method, token, id || ''].join(' ').trim())
    if (token !== state.good) return response.writeHead(status).end('who?')
    response.writeHead(200, TYPE)
    response.write(`id: ${id + 1}\ndata: ${id + 1}\n\n`)
    if (id + 1 < last) setTimeout(() => response.destroy(), 10_000)
  })
  return { url: server.url, asked, state, last }
}

/** What is read until the last event, or until the stream fails. */
async function read(
  url: Parameters<typeof events>[0],
  options: EventsOptions,
  last = 3,
): Promise<{ story: string[]; error: SseError | undefined }> {
  const story: string[] = []
  try {
    for await (const { data } of events(url, options)) {
      story.push(data)
      if (data === `${last}`) return { story, error: undefined }
    }
  } catch (error) {
    return { story, error: error as SseError }
  }
  throw new Error('the stream ended')
}

const error = (more: object, cause?: unknown) => Object.assign(new Error('failed', { cause }), more)

let closed = ''
beforeEach(async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closed = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  await new Promise((resolve) => server.close(resolve))
})

/** How token code says that the back end restarts. */
const passing: Record<string, () => unknown> = {
  'fetch to a closed port': () => fetch(closed),
  'node:http to a closed port': () =>
    new Promise((resolve, reject) => get(closed, resolve).on('error', reject)),
  'axios, no connection': () => {
    throw error({ isAxiosError: true, code: 'ECONNREFUSED' }, error({ code: 'ECONNREFUSED' }))
  },
  'axios, a time-out': () => {
    throw error({ isAxiosError: true, code: 'ECONNABORTED' })
  },
  'axios, a 502': () => {
    throw error({ isAxiosError: true, code: 'ERR_BAD_RESPONSE', response: { status: 502 } })
  },
  'ofetch, no connection': () => {
    throw error({ name: 'FetchError' }, new TypeError('fetch failed'))
  },
  'ofetch, a 502': () => {
    throw error({ name: 'FetchError', status: 502, statusCode: 502, response: { status: 502 } })
  },
  'ky, a 502': () => {
    throw error({ name: 'HTTPError', response: new Response(null, { status: 502 }) })
  },
  'ky, a time-out': () => {
    throw error({ name: 'TimeoutError' })
  },
  'Bun, no connection': () => {
    throw error({ code: 'ConnectionRefused' })
  },
  'Deno, no connection': () => {
    throw new TypeError('error sending request for url')
  },
  'React Native, no connection': () => {
    throw new TypeError('Network request failed')
  },
  'an error that says so': () => {
    throw error({ retriable: true })
  },
}

/** The ways in which a token gets into a request; `ask` is asked for it at each attempt. */
const ways: Record<string, (url: string, ask: () => unknown) => Parameters<typeof read>> = {
  'a headers function': (url, ask) => [
    url,
    { headers: async () => ({ authorization: `${await ask()}` }) },
  ],
  'a ticket in the URL': (url, ask) => [async () => `${url}?ticket=${await ask()}`, {}],
}

describe('a back end that restarts, and its token endpoint with it, ends no stream:', () => {
  for (const [way, open] of Object.entries(ways)) {
    test.each(Object.entries(passing))(`${way}, %s`, async (_, fail) => {
      const { url, asked } = await serveFeed()
      let calls = 0
      const ask = async () => {
        // The first attempt is well, and then the back end is away for five.
        if (++calls > 1 && calls < 7) {
          await fail()
          throw new Error('no failure')
        }
        return 'good'
      }
      const { story, error } = await read(...open(url, ask))
      expect(error).toBe(undefined)
      expect(story).toEqual(['1', '2', '3'])
      expect(asked).toEqual(['GET good', 'GET good 1', 'GET good 2'])
    })

    test(`${way}, the line that everybody writes, twice in a row`, async () => {
      for (const [failures, code] of [
        [2, undefined],
        [3, 'auth'],
      ] as const) {
        const { url } = await serveFeed()
        let calls = 0
        const ask = async () => {
          if (++calls > 1 && calls < 2 + failures) throw new Error('refresh failed: 502')
          return 'good'
        }
        const { error } = await read(...open(url, ask))
        expect(error?.code).toBe(code)
        if (error) expect(error.cause).toMatchObject({ message: 'refresh failed: 502' })
      }
    })

    test(`${way}, with a policy, which is asked`, async () => {
      const { url } = await serveFeed()
      const [input, options] = open(url, () => fetch(closed))
      const seen: unknown[] = []
      const { error } = await read(input, {
        ...options,
        retry({ error, failures }) {
          seen.push(error?.code)
          return failures < 4 && 1
        },
      })
      expect([seen, error?.code]).toEqual([Array(4).fill('network'), 'network'])
    })
  }

  test('bearer, whose refresh fails so', async () => {
    for (const fail of Object.values(passing)) {
      const { url, asked, state } = await serveFeed({ good: 'Bearer 1' })
      let calls = 0
      const headers = bearer({
        token: '1',
        async refresh() {
          if (++calls < 4) await fail()
          return '2'
        },
      })
      const feed = read(url, { headers })
      state.good = 'Bearer 2'
      expect(await feed).toEqual({ story: ['1', '2', '3'], error: undefined })
      expect(asked[0]).toBe('GET Bearer 1')
      expect(asked.slice(1)).toEqual(['GET Bearer 2', 'GET Bearer 2 1', 'GET Bearer 2 2'])
    }
  })
})

describe('a user who is logged out is told at once:', () => {
  const gone: Record<string, unknown> = {
    'axios, a 401': error({ code: 'ERR_BAD_REQUEST', response: { status: 401 } }),
    'ofetch, a 400': error({ name: 'FetchError', status: 400 }),
    'ky, a 403': error({ name: 'HTTPError', response: new Response(null, { status: 403 }) }),
    'an error that has a 401 for its cause': error({}, error({ status: 401 })),
    'an error that says so': error({ retriable: false }),
  }
  for (const [way, open] of Object.entries(ways)) {
    test.each(Object.entries(gone))(`${way}, %s`, async (_, thrown) => {
      const { url, asked } = await serveFeed()
      let calls = 0
      const ask = async () => {
        if (++calls === 2) throw thrown
        return 'good'
      }
      const { story, error } = await read(...open(url, ask))
      expect([story, error?.code, error?.cause, calls]).toEqual([['1'], 'auth', thrown, 2])
      expect(asked).toEqual(['GET good'])
    })
  }
})

describe('a refusal that fresh headers answer', () => {
  test.each([
    ['GET', 401, undefined],
    ['POST', 401, undefined],
    ['GET', 403, [401, 403]],
    ['POST', 403, [403]],
  ])('of a %s, by %d: at once, and once more after the wait', async (method, status, list) => {
    const { url, asked, state } = await serveFeed({ good: 'new', status, last: 1 })
    const told: unknown[] = []
    const seen: unknown[] = []
    let calls = 0
    const options: EventsOptions = {
      method,
      authStatuses: list,
      headers({ unauthorized, sent }) {
        seen.push([unauthorized, sent?.get('authorization')])
        // A laptop that wakes: the refresh gives the stale token once more.
        const authorization = ++calls < 3 ? 'old' : 'new'
        return { authorization }
      },
      onReconnect: ({ error, failures }) => told.push([error?.status, failures]),
    }
    expect(await read(url, options, 1)).toEqual({ story: ['1'], error: undefined })
    expect(asked).toEqual([`${method} old`, `${method} old`, `${method} new`])
    // The first is not told, and not counted.
    expect(told).toEqual([[status, 1]])
    expect(seen).toEqual([
      [false, undefined],
      [true, 'old'],
      [true, 'old'],
    ])

    // And no more than that.
    state.good = 'none'
    calls = 0
    const { error } = await read(url, options, 1)
    expect([error?.status, error?.attempt]).toEqual([status, 3])
  })

  test('is asked about at the third in a row: with delay: false', async () => {
    const { url, asked } = await serveFeed({ good: 'none' })
    const seen: unknown[] = []
    const { error } = await read(url, {
      headers: () => ({ authorization: 'old' }),
      retry({ delay, failures }) {
        seen.push([typeof delay, failures])
        return failures < 4 && 1
      },
    })
    expect(error?.status).toBe(401)
    expect(seen).toEqual([
      ['number', 1],
      ['boolean', 2],
      ['boolean', 3],
      ['boolean', 4],
    ])
    expect(asked).toHaveLength(5)
  })

  test('is final where nothing makes fresh ones', async () => {
    const { url, asked } = await serveFeed()
    const { error } = await read(url, { headers: { authorization: 'old' } })
    expect([error?.status, asked]).toEqual([401, ['GET old']])
  })
})

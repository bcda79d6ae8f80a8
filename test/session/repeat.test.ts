import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type EventsOptions, events } from '../../src/faces/events'
import type { Resume } from '../../src/transport/request'
import { type Answer, answering, follow } from '../support/fetch'
import { stream } from '../support/response'

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(Math, 'random').mockReturnValue(0)
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

const URL = 'https://example.com/'
const until = '[DONE]'
const one = 'data: 1\n\n'
const rest = () => stream(['data: 2\n\ndata: [DONE]\n\n'])
const refusal = (status: number, headers: HeadersInit = {}) =>
  new Response(null, { status, headers })
const code = (code: string) =>
  new TypeError('fetch failed', { cause: Object.assign(new Error(''), { code }) })

/**
 * What happened, in order: the requests, by their method and last event ID, the events, and how it
 * ended. After these answers comes the rest of the stream, then a 204.
 */
async function play(answers: Answer[], options: EventsOptions): Promise<string[]> {
  const story: string[] = []
  const { fetch } = answering(...answers, rest(), refusal(204))
  const source = events(URL, {
    ...options,
    fetch(url, init) {
      const path = url.slice(URL.length)
      const id = new Headers(init.headers).get('last-event-id')
      story.push([init.method, path, id].filter(Boolean).join(' '))
      return fetch(url, init)
    },
  })
  const followed = follow(source, story)
  await vi.advanceTimersByTimeAsync(120_000)
  source.close()
  await followed
  return story
}

interface Outcome {
  readonly answer: () => Answer
  readonly code: string
  readonly options?: EventsOptions
  /** An event comes first. */
  readonly event?: boolean
}

/** After these nobody can know whether the server has acted. */
const unknown: Record<string, Outcome> = {
  'a reset before the headers': { answer: () => new TypeError('fetch failed'), code: 'network' },
  'a reset that the system names': { answer: () => code('ECONNRESET'), code: 'network' },
  'an error in the body': {
    answer: () => stream([one], new TypeError('terminated')),
    code: 'network',
    event: true,
  },
  'the end before `until`': { answer: () => stream([one]), code: 'truncated', event: true },
  'the end within an event': {
    answer: () => stream([one, 'data: 2']),
    code: 'truncated',
    event: true,
  },
  connectTimeout: {
    answer: () => 'silence',
    code: 'timeout',
    options: { connectTimeout: 1000 },
  },
  idleTimeout: {
    answer: () => stream([one], 'stall'),
    code: 'idle',
    options: { idleTimeout: 1000 },
    event: true,
  },
  // Heroku and Envoy say 503 of requests that go on running.
  ...Object.fromEntries(
    [408, 500, 502, 503, 504, 520].map((status) => [
      `a ${status} without an invitation`,
      { answer: () => refusal(status), code: 'status' },
    ]),
  ),
}

/** After these the server has not acted. */
const unacted: Record<string, Outcome> = {
  ...Object.fromEntries(
    [425, 429, 529].map((status) => [
      `a ${status}`,
      { answer: () => refusal(status), code: 'status' },
    ]),
  ),
  ...Object.fromEntries(
    [408, 409, 500, 502, 503, 504].flatMap((status) =>
      Object.entries({
        'retry-after': '2',
        'retry-after-ms': '2500',
        'x-should-retry': 'true',
      }).map((header) => [
        `a ${status} with ${header[0]}`,
        { answer: () => refusal(status, [header]), code: 'status' },
      ]),
    ),
  ),
  ...Object.fromEntries(
    ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT'].map((name) => [
      `no connection, ${name}`,
      { answer: () => code(name), code: 'network' },
    ]),
  ),
}

const events1 = ({ event }: Outcome) => (event ? ['message:1'] : [])

for (const method of ['POST', 'post', 'PUT', 'PATCH', 'DELETE']) {
  describe(`${method}, which is not safe,`, () => {
    const options = { method, until }
    const again = [method, 'message:2', 'done']

    // Issue 11.1 to 11.3: an ID is no licence to POST again, and neither are options that say when.
    const noLeave: [string, EventsOptions][] = [
      ['by itself', {}],
      ['with a last event ID', { lastEventId: '7' }],
      ['with retry: {}', { retry: {} }],
      ['with retry: { maxRetries: 2 }', { retry: { maxRetries: 2 } }],
      ['with a policy', { retry: () => 0 }],
      ['with a resume function, before a response', { resume: () => 'on' }],
    ]
    for (const [name, outcome] of Object.entries(unknown)) {
      for (const [leave, more] of noLeave) {
        if (more.resume && outcome.event) continue
        test(`is sent once ${leave}: ${name}`, async () => {
          const story = await play([outcome.answer()], { ...options, ...outcome.options, ...more })
          const request = more.lastEventId ? `${method} 7` : method
          expect(story).toEqual([request, ...events1(outcome), `throws:${outcome.code}`])
        })
      }

      test(`is sent again with resume: 'same': ${name}`, async () => {
        const more: EventsOptions = { ...outcome.options, resume: 'same' }
        const story = await play([outcome.answer()], { ...options, ...more })
        expect(story).toEqual([method, ...events1(outcome), ...again])
      })

      if (!outcome.event) continue
      test(`goes on by the request of a resume function: ${name}`, async () => {
        const resume: Resume = ({ cursor, first }) => `on?after=${cursor}&was=${first.status}`
        const more: EventsOptions = { ...outcome.options, resume }
        const story = await play([outcome.answer()], { ...options, ...more })
        const next = 'GET on?after=&was=200'
        expect(story).toEqual([method, 'message:1', next, 'message:2', 'done'])
      })

      test(`ends where a resume function has nothing to go on from: ${name}`, async () => {
        for (const nothing of [null, undefined, '']) {
          const more: EventsOptions = { ...outcome.options, resume: async () => nothing }
          const story = await play([outcome.answer()], { ...options, ...more })
          expect(story).toEqual([method, 'message:1', `throws:${outcome.code}`])
        }
      })
    }

    for (const [name, outcome] of Object.entries(unacted)) {
      test(`is sent again, for the server has not acted: ${name}`, async () => {
        expect(await play([outcome.answer()], options)).toEqual([method, ...again])
      })

      test(`is sent three times at most: ${name}`, async () => {
        const answers = [1, 2, 3].map(outcome.answer)
        expect(await play(answers, options)).toEqual([
          method,
          method,
          method,
          `throws:${outcome.code}`,
        ])
      })

      test(`is sent as often as maxRetries and resume: 'same' say: ${name}`, async () => {
        const answers = () => [1, 2, 3].map(outcome.answer)
        expect(await play(answers(), { ...options, retry: { maxRetries: 1 } })).toEqual([
          method,
          method,
          `throws:${outcome.code}`,
        ])
        const all = [method, method, method, ...again]
        expect(await play(answers(), { ...options, retry: { maxRetries: 3 } })).toEqual(all)
        expect(await play(answers(), { ...options, resume: 'same' })).toEqual(all)
      })
    }

    test('completes at a clean end, ID or not', async () => {
      const complete = [method, 'message:1', 'done']
      expect(await play([stream([one])], { method })).toEqual(complete)
      expect(await play([stream([`id: 7\n${one}`])], { method, retry: {} })).toEqual(complete)
      expect(await play([stream([one])], { method, resume: 'same' })).toEqual(complete)
    })

    test('reconnects at a clean end where onEnd and resume say so', async () => {
      const more = { method, onEnd: 'reconnect', resume: 'same' } as const
      expect(await play([stream([`id: 7\n${one}`])], more)).toEqual([
        method,
        'message:1',
        `${method} 7`,
        'message:2',
        'message:[DONE]',
        `${method} 7`,
        'done',
      ])
    })

    test('cannot reconnect at a clean end without resume', () => {
      if (__DEV__) expect(() => events(URL, { method, onEnd: 'reconnect' })).toThrow(TypeError)
    })

    test('is sent again after a 401 that fresh headers answer', async () => {
      const story = await play([refusal(401)], { ...options, headers: () => ({}) })
      expect(story).toEqual([method, ...again])
    })

    test('is not sent again by a failure of its functions that is final', async () => {
      const fatal = Object.assign(new Error('who?'), { retriable: false })
      const story = await play([], { ...options, headers: () => Promise.reject(fatal) })
      expect(story).toEqual(['throws:auth'])
    })

    test('is sent after a failure of its functions that passes', async () => {
      for (const name of ['headers', 'body', 'json'] as const) {
        const make = ({ number }: { number: number }) =>
          number === 1 ? Promise.reject(code('ECONNRESET')) : ({} as never)
        const story = await play([], { ...options, [name]: make })
        expect(story).toEqual(again)
      }
    })
  })
}

for (const method of ['GET', 'get', 'HEAD', 'OPTIONS', 'QUERY', 'REPORT']) {
  describe(`${method}, which is safe,`, () => {
    const again = [method, 'message:2', 'done']

    for (const [name, outcome] of Object.entries({ ...unknown, ...unacted })) {
      test(`is sent again: ${name}`, async () => {
        const story = await play([outcome.answer()], { method, ...outcome.options })
        expect(story).toEqual([
          method,
          ...events1(outcome),
          method,
          'message:2',
          'message:[DONE]',
          method,
          'done',
        ])
      })

      test(`has an end, and is sent again while nothing has come: ${name}`, async () => {
        const story = await play([outcome.answer()], { method, until, ...outcome.options })
        // Issue 11.14: an answer must not be shown twice.
        const thrown = [method, 'message:1', `throws:${outcome.code}`]
        expect(story).toEqual(outcome.event ? thrown : [method, ...again])
      })

      if (!outcome.event) continue
      test(`has an end, and goes on from a place: ${name}`, async () => {
        const more: EventsOptions = { method, until, ...outcome.options }
        const at = { lastEventId: '7' }
        expect(await play([outcome.answer()], { ...more, ...at })).toEqual([
          `${method} 7`,
          'message:1',
          `${method} 7`,
          'message:2',
          'done',
        ])
        const cursor = () => 'here'
        expect(await play([outcome.answer()], { ...more, cursor })).toEqual([
          method,
          'message:1',
          ...again,
        ])
      })

      test(`has an end, and is sent again with resume: 'same': ${name}`, async () => {
        const more: EventsOptions = { method, until, ...outcome.options, resume: 'same' }
        expect(await play([outcome.answer()], more)).toEqual([method, 'message:1', ...again])
      })
    }

    test('reconnects at a clean end, and completes where onEnd says so', async () => {
      expect(await play([stream([one])], { method })).toEqual([
        method,
        'message:1',
        method,
        'message:2',
        'message:[DONE]',
        method,
        'done',
      ])
      expect(await play([stream([one])], { method, onEnd: 'complete' })).toEqual([
        method,
        'message:1',
        'done',
      ])
    })

    test('has no end by a 204 after an event: it is cut', async () => {
      const answers = [stream([`id: 7\n${one}`], new Error('cut')), refusal(204)]
      expect(await play(answers, { method, until })).toEqual([
        method,
        'message:1',
        `${method} 7`,
        'throws:truncated',
      ])
      expect(await play([refusal(204)], { method, until })).toEqual([method, 'done'])
    })

    test('has no end by a 204 in a new iteration either, until it was complete', async () => {
      const answers = [stream([`id: 7\n${one}`], 'stall'), refusal(204), rest(), refusal(204)]
      const source = events(URL, { fetch: answering(...answers).fetch, method, until })
      const story: string[] = []
      for await (const _ of source) break
      for (let times = 0; times < 3; times++) await follow(source, story)
      expect(story).toEqual(['throws:truncated', 'message:2', 'done', 'done'])
    })
  })
}

describe.each(['GET', 'POST'])('%s with retry: false', (method) => {
  const options: EventsOptions = { method, until, retry: false, resume: 'same' }

  test.each(Object.entries({ ...unknown, ...unacted }))('is sent once: %s', async (_, outcome) => {
    const story = await play([outcome.answer()], { ...options, ...outcome.options })
    expect(story).toEqual([method, ...events1(outcome), `throws:${outcome.code}`])
  })

  test('is sent again after the first 401 that fresh headers answer, and no more', async () => {
    const more = { ...options, headers: () => ({}) }
    expect(await play([refusal(401)], more)).toEqual([method, method, 'message:2', 'done'])
    expect(await play([refusal(401), refusal(401)], more)).toEqual([
      method,
      method,
      'throws:status',
    ])
  })
})

describe('the caller’s own word', () => {
  test('reconnect() and a new iteration repeat a POST', async () => {
    const { fetch, requests } = answering(stream([one], 'stall'), stream([one], 'stall'), rest())
    const source = events(URL, { fetch, json: 1, until })
    const story: string[] = []
    for await (const { data } of source) {
      story.push(data)
      if (story.length === 2) break
      source.reconnect()
    }
    for await (const { data } of source) story.push(data)
    expect([story, requests.length]).toEqual([['1', '1', '2'], 3])
  })

  test('fail() before the first next() has no effect, then or later', async () => {
    const { fetch, requests } = answering(stream([one], new Error('cut')), rest())
    const source = events(URL, { fetch, json: 1, until })
    const iterator = source[Symbol.asyncIterator]()
    source.fail('too early')
    const story: string[] = []
    await follow(iterator, story)
    expect([story, requests.length]).toEqual([['message:1', 'throws:network'], 1])
  })

  test('fail() asks the policy, and repeats a POST', async () => {
    const { fetch, requests } = answering(stream([one], 'stall'), rest())
    const source = events(URL, { fetch, json: 1, until })
    const story: string[] = []
    const read = (async () => {
      for await (const { data } of source) {
        story.push(data)
        if (data === '1') source.fail(new Error('a refused subscription'))
      }
    })()
    await vi.advanceTimersByTimeAsync(999)
    expect([story, requests.length, source.status]).toEqual([['1'], 1, 'waiting'])
    await vi.advanceTimersByTimeAsync(1)
    await read
    expect([story, requests.length]).toEqual([['1', '2'], 2])
  })
})

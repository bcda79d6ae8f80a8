import { describe, expect, test, vi } from 'vitest'
import { SseError } from '../../src/errors'
import { events } from '../../src/faces/events'
import { type Answer, follow } from '../support/fetch'
import {
  type AnyOptions,
  failureOf,
  noContent,
  ownTheClock,
  prepare,
  reset,
  status,
  storyOf,
} from '../support/play'
import { stream } from '../support/response'

// What passes by itself, and what has to be told.

ownTheClock()

const html = () => new Response('<html>', { headers: { 'content-type': 'text/html' } })
const fetches = (story: string[]) => story.filter((line) => line.startsWith('fetch')).length

describe('answers', () => {
  test.each([408, 425, 429, 500, 502, 503, 504, 507, 520, 529, 530, 599])(
    '%i is retried',
    async (code) => {
      expect(await storyOf([status(code), noContent()])).toEqual([
        ...['fetch', `reconnect:${code}:1000`, 'fetch', 'done'],
      ])
    },
  )

  test.each([400, 401, 402, 403, 404, 405, 406, 409, 410, 418, 451, 501, 505, 600, 999])(
    '%i is told at once',
    async (code) => {
      const answer =
        code > 599 ? Object.defineProperty(status(200), 'status', { value: code }) : status(code)
      expect(await storyOf([answer, noContent()])).toEqual(['fetch', 'throws:status'])
    },
  )

  test('409 is retried where it invites that', async () => {
    const answers = [status(409, { 'retry-after': '1' }), noContent()]
    expect(await storyOf(answers)).toEqual(['fetch', 'reconnect:409:1000', 'fetch', 'done'])
  })

  test('a fetch that throws an error with a response has given that', async () => {
    const like = (response: Response) =>
      Object.assign(new Error('Request failed'), { name: 'HTTPError', response })
    const rows: [Response, string[]][] = [
      [status(503), ['reconnect:503:1000', 'done']],
      [status(403), ['throws:status']],
      [noContent(), ['done']],
      [stream(['data: 1\n\n']), ['message:1', 'reconnect:end:1000', 'done']],
    ]
    for (const [response, expected] of rows) {
      const story = await storyOf([like(response), noContent()])
      expect(story.filter((line) => line !== 'fetch')).toEqual(expected)
    }
  })

  test('an SseError of a fetch of the caller’s is taken as it is', async () => {
    const error = new SseError('auth', 'of the caller')
    const { source } = prepare([error])
    expect(await failureOf(source[Symbol.asyncIterator]().next())).toBe(error)
    const passing = new SseError('auth', 'of the caller', { retriable: true })
    expect((await storyOf([passing, noContent()])).at(-1)).toBe('done')
  })
})

describe('a redeploy: 404 and a wrong content type', () => {
  const stray: [string, () => Response][] = [
    ['404', () => status(404)],
    ['a page', html],
  ]

  test.each(stray)('%s is told at once where the stream was never open', async (_, answer) => {
    expect(fetches(await storyOf([answer(), noContent()]))).toBe(1)
    expect(fetches(await storyOf([reset(), answer(), noContent()]))).toBe(2)
  })

  test.each(stray)('%s is retried five times in a row where it was', async (_, answer) => {
    const strays = (count: number) => Array.from({ length: count }, answer)
    const retry = { factor: 1 }
    const passed = await storyOf([stream([]), ...strays(5), noContent()], { retry })
    expect([fetches(passed), passed.at(-1)]).toEqual([7, 'done'])
    const thrown = await storyOf([stream([]), ...strays(6), noContent()], { retry })
    expect(fetches(thrown)).toBe(7)
    expect(thrown.at(-1)).toMatch(/^throws:(status|content-type)$/)
  })

  test('both together count as one', async () => {
    const answers = [status(404), html(), status(404), html(), status(404), html()]
    expect(
      fetches(await storyOf([stream([]), ...answers, noContent()], { retry: { factor: 1 } })),
    ).toBe(7)
  })

  test('the count begins anew once the stream was open, or another failure came between', async () => {
    for (const between of [() => stream([]), () => status(503), reset]) {
      const strays = () => Array.from({ length: 5 }, () => status(404))
      const answers: Answer[] = [stream([]), ...strays(), between(), ...strays(), noContent()]
      expect((await storyOf(answers, { retry: { factor: 1 } })).at(-1)).toBe('done')
    }
  })

  test('410 and 403 are told at once all the same', async () => {
    for (const code of [403, 410, 400]) {
      expect((await storyOf([stream([]), status(code), noContent()])).at(-1)).toBe('throws:status')
    }
  })

  test('an unsafe request is not repeated for it, without resume', async () => {
    const options: AnyOptions = { json: {}, until: '[DONE]' }
    const cut = () => stream(['id: 7\ndata: 1\n\n'], reset())
    const answers = () => [cut(), status(404), html(), stream(['data: [DONE]\n\n'])]
    expect(fetches(await storyOf(answers(), options))).toBe(1)
    for (const resume of ['same', () => '/on'] as const) {
      expect((await storyOf(answers(), { ...options, resume })).at(-1)).toBe('done')
    }
  })

  test('retry: false and x-should-retry: false are heard', async () => {
    const no = () => status(404, { 'x-should-retry': 'false' })
    expect((await storyOf([stream([]), no(), noContent()])).at(-1)).toBe('throws:status')
    expect(fetches(await storyOf([stream([]), status(404)], { retry: false }))).toBe(1)
  })
})

/** How axios, ofetch, ky, Node's sockets and others say what happened. */
class Thrown extends Error {
  constructor(message: string, more: object = {}, name = 'Error') {
    super(message)
    Object.assign(this, { name }, more)
  }
}

describe.each(['headers', 'body', 'json', 'input', 'resume'])(
  'what a %s function throws',
  (name) => {
    /** How often the function was called, and how it ended. */
    async function outcome(thrown: unknown, way: 'throws' | 'rejects', more: AnyOptions = {}) {
      let calls = 0
      const make = () => {
        calls++
        if (way === 'rejects') return Promise.reject(thrown)
        throw thrown
      }
      const answers = name === 'resume' ? [stream(['data: 1\n\n'], reset())] : []
      let next = 0
      const options: AnyOptions = {
        method: name === 'body' || name === 'json' ? 'QUERY' : 'GET',
        retry: { maxRetries: 9, delay: 10, factor: 1 },
        ...more,
        ...(name !== 'input' && { [name]: make }),
        fetch: async () => answers[next++] ?? noContent(),
      }
      const source = events(name === 'input' ? make : 'https://example.com/', options as object)
      const story: string[] = []
      let error: unknown
      const followed = (async () => {
        try {
          for await (const _ of source);
        } catch (failure) {
          error = failure
        }
      })()
      await vi.advanceTimersByTimeAsync(60_000)
      await followed
      return { calls, story, error: error as SseError }
    }

    const most = name === 'resume' ? 9 : 10
    const rows: [string, unknown, calls: number, code: string][] = [
      // Final at once.
      ['a status that would not be retried', new Thrown('no', { status: 403 }), 1, 'auth'],
      ['that of its response', new Thrown('no', { response: { status: 401 } }), 1, 'auth'],
      ['that of its cause', new Thrown('no', { cause: { status: 400 } }), 1, 'auth'],
      ['retriable: false', new Thrown('no', { retriable: false }), 1, 'auth'],
      ['retriable: false of a TypeError', Object.assign(reset(), { retriable: false }), 1, 'auth'],
      ['an SseError of code auth', new SseError('auth', 'no'), 1, 'auth'],
      [
        'an SseError of code auth, whatever else it says',
        new SseError('auth', 'no', { retriable: true }),
        1,
        'auth',
      ],
      [
        'an SseError of another stream, 401',
        new SseError('status', '', { status: 401 }),
        1,
        'auth',
      ],
      ['501', new Thrown('no', { status: 501 }), 1, 'auth'],
      // Passing, as long as retry allows.
      [
        '502 of axios',
        new Thrown('502', { code: 'ERR_BAD_RESPONSE', response: { status: 502 } }, 'AxiosError'),
        most,
        'network',
      ],
      [
        '502 of ofetch',
        new Thrown('502', { status: 502, statusCode: 502 }, 'FetchError'),
        most,
        'network',
      ],
      [
        '502 of ky',
        new Thrown('502', { response: new Response('', { status: 502 }) }, 'HTTPError'),
        most,
        'network',
      ],
      ['429', new Thrown('slow', { status: 429 }), most, 'network'],
      ['retriable: true', new Thrown('soon', { retriable: true }), most, 'network'],
      ['a TypeError of fetch', reset(), most, 'network'],
      ['one that is the cause', new Thrown('failed', { cause: reset() }), most, 'network'],
      ['a TimeoutError', new Thrown('slow', {}, 'TimeoutError'), most, 'network'],
      ['a DOMException for a timeout', new DOMException('slow', 'TimeoutError'), most, 'network'],
      [
        'ECONNREFUSED of node:http',
        new Thrown('connect', { code: 'ECONNREFUSED' }),
        most,
        'network',
      ],
      [
        'ConnectionRefused of Bun',
        new Thrown('connect', { code: 'ConnectionRefused' }),
        most,
        'network',
      ],
      [
        'ERR_NETWORK of axios',
        new Thrown('Network Error', { code: 'ERR_NETWORK' }),
        most,
        'network',
      ],
      ['a network error of another stream', new SseError('network', ''), most, 'network'],
      // Anything else is tried twice more.
      ['the line that everybody writes', new Error('refresh failed: 502'), 3, 'auth'],
      ['a code of Firebase', new Thrown('no', { code: 'auth/user-token-expired' }), 3, 'auth'],
      ['a code that is a number', new Thrown('no', { code: 7 }), 3, 'auth'],
      ['a DOMException for an abort', new DOMException('no', 'AbortError'), 3, 'auth'],
      ['a text', 'not logged in', 3, 'auth'],
      ['nothing', undefined, 3, 'auth'],
      ['null', null, 3, 'auth'],
    ]

    test.each(rows)('%s', async (_, thrown, calls, code) => {
      for (const way of ['throws', 'rejects'] as const) {
        const result = await outcome(thrown, way)
        expect([result.calls, result.error.code]).toEqual([calls, code])
        // An SseError that says what happened is told as it is.
        const told = result.error === thrown || result.error.cause === thrown
        expect(told).toBe(true)
        expect(result.error.attempt).toBeGreaterThan(0)
      }
    })

    test('with retry: false is told at once', async () => {
      if (name === 'resume') return
      for (const thrown of [reset(), new Error('refresh failed: 502'), { status: 503 }]) {
        expect((await outcome(thrown, 'rejects', { retry: false })).calls).toBe(1)
      }
    })

    test('a policy is asked about it, of what is final with delay: false', async () => {
      if (name === 'resume') return
      const delays: unknown[] = []
      const retry: AnyOptions['retry'] = ({ delay }) => {
        delays.push(delay)
        return delays.length < 5 && 1
      }
      expect((await outcome(new Error('refresh failed'), 'rejects', { retry })).calls).toBe(5)
      expect(delays).toEqual([1000, 2000, false, false, false])
    })
  },
)

describe('what fails without saying why', () => {
  test('is counted in a row: another failure between begins it anew', async () => {
    const outcomes = ['no', 'no', 'ok', 'no', 'no', 'ok']
    const story = await storyOf([status(503), noContent()], {
      retry: { factor: 1 },
      headers: () => {
        if (outcomes.shift() === 'no') throw new Error('refresh failed')
        return {}
      },
    })
    expect(story.filter((line) => line !== 'fetch')).toEqual([
      ...['reconnect:auth:1000', 'reconnect:auth:1000', 'reconnect:503:1000'],
      ...['reconnect:auth:1000', 'reconnect:auth:1000', 'done'],
    ])
  })
})

describe('a mistake of the caller’s', () => {
  test.each<[string, string | (() => string), AnyOptions]>([
    ['a URL that is none', () => 'http://', {}],
    ['a URL with a password', () => 'https://user:secret@example.com/', {}],
    ['a header that is none', 'https://example.com/', { headers: () => ({ 'a b': '1' }) }],
    [
      'a header value with a line break',
      'https://example.com/',
      { headers: () => ({ a: '1\n2' }) },
    ],
    ['json that is none', 'https://example.com/', { method: 'POST', json: () => () => {} }],
  ])('%s is final, and no policy is asked', async (_, input, options) => {
    const asked = vi.fn(() => 0)
    const fetch = vi.fn()
    const source = events(input, { ...options, retry: asked, fetch } as object)
    const failure = await failureOf(source[Symbol.asyncIterator]().next())
    expect(failure).toBeInstanceOf(TypeError)
    expect(failure.message).not.toMatch(/secret|user:/)
    expect(asked).not.toHaveBeenCalled()
    expect(fetch).not.toHaveBeenCalled()
  })
})

test('what is thrown once is not thrown again', async () => {
  const { source, story } = prepare([status(403), status(403)])
  await follow(source, story)
  await follow(source, story)
  expect(story).toEqual(['fetch', 'throws:status', 'fetch', 'throws:status'])
})

import { describe, expect, test, vi } from 'vitest'
import { SseError } from '../../src/errors'
import type { Answer } from '../support/fetch'
import { type AnyOptions, ownTheClock, refusedBy, reset, status, storyOf } from '../support/play'
import { stream } from '../support/response'

// What a request that is not safe may be repeated after, without `resume`.

ownTheClock()

const post: AnyOptions = { json: { q: 1 }, retry: { factor: 1, delay: 1000 } }
const ok = () => stream(['data: 1\n\n'])
const fetches = (story: string[]) => story.filter((line) => line === 'fetch').length
const asking = (code: number, headers: Record<string, string> = { 'retry-after': '1' }) =>
  status(code, headers)

describe('an answer that says that the server has not acted', () => {
  test.each<[string, () => Answer, boolean]>([
    ['425', () => status(425), true],
    ['429', () => status(429), true],
    ['529', () => status(529), true],
    ['408', () => status(408), false],
    ['409', () => status(409), false],
    ['500', () => status(500), false],
    ['502', () => status(502), false],
    ['503', () => status(503), false],
    ['504', () => status(504), false],
    ['520', () => status(520), false],
    ['408 that invites', () => asking(408), true],
    ['409 that invites', () => asking(409), true],
    ['500 that invites', () => asking(500), true],
    ['503 that invites', () => asking(503), true],
    ['503 that invites in milliseconds', () => asking(503, { 'retry-after-ms': '5' }), true],
    ['503 that invites by x-should-retry', () => asking(503, { 'x-should-retry': 'true' }), true],
    ['409 that invites by x-should-retry', () => asking(409, { 'x-should-retry': 'true' }), true],
    ['501 whatever it says', () => asking(501), false],
    ['505 whatever it says', () => asking(505), false],
    ['400 whatever it says', () => asking(400), false],
    ['400 that invites by x-should-retry', () => asking(400, { 'x-should-retry': 'true' }), true],
    ['429 that says no', () => asking(429, { 'x-should-retry': 'false' }), false],
  ])('%s', async (_, answer, repeated) => {
    const story = await storyOf([answer(), ok()], post)
    expect([fetches(story), story.at(-1)]).toEqual(repeated ? [2, 'done'] : [1, 'throws:status'])
  })
})

describe('nothing was sent', () => {
  test.each(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT'])(
    '%s: the runtime says that no connection was made',
    async (code) => {
      const story = await storyOf([refusedBy(code), ok()], post)
      expect(story).toEqual(['fetch', 'reconnect:network:1000', 'fetch', 'message:1', 'done'])
    },
  )

  test.each(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'UND_ERR_SOCKET', 'UND_ERR_HEADERS_TIMEOUT'])(
    '%s says nothing of the kind',
    async (code) => {
      expect(await storyOf([refusedBy(code), ok()], post)).toEqual(['fetch', 'throws:network'])
    },
  )

  test('a code that says so of the body is none: it had been sent', async () => {
    const answers = [stream(['data: 1\n\n'], new TypeError('terminated')), ok()]
    expect(await storyOf(answers, post)).toEqual(['fetch', 'message:1', 'throws:network'])
  })

  test.each(['headers', 'body', 'json'])('a %s function failed in passing', async (name) => {
    const failures: unknown[] = [
      reset(),
      { status: 503 },
      new Error('refresh failed: 502'),
      new SseError('status', 'token', { status: 503 }),
    ]
    for (const failure of failures) {
      let calls = 0
      const { json, ...rest } = post
      const options: AnyOptions = {
        ...rest,
        ...(name === 'headers' && { json }),
        method: 'POST',
        [name]: () => (++calls === 1 ? Promise.reject(failure) : {}),
      }
      const story = await storyOf([ok()], options)
      expect([calls, story.at(-1)]).toEqual([2, 'done'])
      expect(fetches(story)).toBe(1)
    }
  })

  test('connectTimeout ran out before it was', async () => {
    let calls = 0
    const story = await storyOf([ok()], {
      ...post,
      connectTimeout: 500,
      headers: () => (++calls === 1 ? new Promise(() => {}) : {}),
    })
    expect(story).toEqual(['reconnect:timeout:1000', 'fetch', 'message:1', 'done'])
  })

  test('connectTimeout ran out after it was', async () => {
    expect(await storyOf(['silence', ok()], { ...post, connectTimeout: 500 })).toEqual([
      ...['fetch', 'throws:timeout'],
    ])
  })
})

describe('the limit', () => {
  const limited = Array.from({ length: 9 }, () => status(429))
  const refused = Array.from({ length: 9 }, () => refusedBy('ECONNREFUSED'))

  test.each<[string, Answer[], AnyOptions, number]>([
    ['is two in a row: three requests in all', limited, {}, 3],
    ['holds where nothing was sent', refused, {}, 3],
    ['holds for both together', [...limited.slice(0, 1), ...refused], {}, 3],
    ['is replaced by maxRetries', limited, { retry: { maxRetries: 5 } }, 6],
    ['also by none', limited, { retry: { maxRetries: 0 } }, 1],
    ['is retry: false’s, too', limited, { retry: false }, 1],
    ['is a policy’s, too: it is not asked beyond it', limited, { retry: () => 10 }, 3],
  ])('%s', async (_, answers, options, count) => {
    const story = await storyOf(answers, { ...post, ...options })
    expect(fetches(story)).toBe(count)
    expect(story.at(-1)).toMatch(/^throws:/)
  })

  test('the error that is thrown is the last one', async () => {
    const story = await storyOf([status(429), status(429), asking(503), ok()], post)
    expect(story.slice(-1)).toEqual(['throws:status'])
    expect(fetches(story)).toBe(3)
  })

  test('a policy is asked twice, may stop, and cannot go on alone', async () => {
    const delays: unknown[] = []
    await storyOf(limited, {
      ...post,
      retry: ({ delay, backoff }) => {
        delays.push([delay, backoff])
        return delay
      },
    })
    expect(delays).toEqual([
      [1000, 1000],
      [2000, 2000],
    ])
    const never = vi.fn(() => 0)
    for (const answer of [status(503), asking(403), asking(501), status(401)]) {
      expect(await storyOf([answer, ok()], { ...post, retry: never })).toEqual([
        ...['fetch', 'throws:status'],
      ])
    }
    expect(never).not.toHaveBeenCalled()
    expect(await storyOf(limited, { ...post, retry: () => false })).toEqual([
      'fetch',
      'throws:status',
    ])
  })

  test('quota that is used up: 429 twice, then thrown', async () => {
    const quota = () => new Response('{"error":{"code":"insufficient_quota"}}', { status: 429 })
    const story = await storyOf([quota(), quota(), quota(), ok()], { json: {}, until: '[DONE]' })
    expect(story).toEqual([
      ...['fetch', 'reconnect:429:1000', 'fetch', 'reconnect:429:2000', 'fetch', 'throws:status'],
    ])
  })
})

describe('a safe method', () => {
  test('is held to no limit', async () => {
    const failing = Array.from({ length: 9 }, () => status(503))
    const story = await storyOf([...failing, status(204)], { retry: { factor: 1 } })
    expect([fetches(story), story.at(-1)]).toEqual([10, 'done'])
  })
})

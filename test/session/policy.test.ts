import { describe, expect, test, vi } from 'vitest'
import { SseError } from '../../src/errors'
import type { RetryContext, RetryPolicy } from '../../src/session/retry'
import {
  type AnyOptions,
  failureOf,
  noContent,
  ownTheClock,
  play,
  prepare,
  reset,
  status,
  stop,
  storyOf,
} from '../support/play'
import { live, stream } from '../support/response'

// `retry` as a function of the caller's.

ownTheClock()

describe('a policy', () => {
  test('is asked after each failure and each clean end, with all there is to know', async () => {
    const contexts: RetryContext[] = []
    const cut = reset()
    const refused = status(503, { 'retry-after': '9' })
    const answers = [
      refused,
      stream(['retry: 400\nid: 7\ndata: 1\n\ndata: 2\n\n'], cut),
      stream([]),
      cut,
      noContent(),
    ]
    const story = await storyOf(answers, {
      retry: (context) => {
        contexts.push(context)
        return context.attempt * 200
      },
    })
    expect(story).toEqual([
      ...['fetch', 'reconnect:503:200', 'fetch', 'message:1', 'message:2'],
      ...['reconnect:network:400', 'fetch:7', 'reconnect:end:600', 'fetch:7'],
      ...['reconnect:network:800', 'fetch:7', 'done'],
    ])
    const network = { code: 'network', cause: cut }
    expect(contexts).toMatchObject([
      { attempt: 1, failures: 1, delay: 9000, backoff: 9000, cursor: '', error: { status: 503 } },
      { attempt: 2, failures: 1, delay: 400, backoff: 400, cursor: '7', error: network },
      { attempt: 3, failures: 2, delay: 800, backoff: 800, cursor: '7', error: undefined },
      { attempt: 4, failures: 3, delay: 1600, backoff: 1600, cursor: '7', error: network },
    ])
    expect(contexts.map(({ response }) => response)).toEqual([
      refused,
      answers[1],
      answers[2],
      undefined,
    ])
    for (const context of contexts) {
      expect(Object.keys(context).sort()).toEqual([
        ...['attempt', 'backoff', 'cursor', 'delay', 'error', 'failures', 'response'],
      ])
    }
  })

  test('is told how long the built-in one would wait, also where that would not', async () => {
    const seen: unknown[] = []
    await storyOf([reset(), status(403)], {
      retry: ({ delay, backoff }) => {
        seen.push([delay, backoff])
        return delay
      },
    })
    expect(seen).toEqual([
      [1000, 1000],
      [false, 2000],
    ])
  })

  test.each<[string, RetryPolicy]>([
    ['false', () => false],
    ['a promise of false', () => Promise.resolve(false as const)],
  ])('that returns %s ends the stream: with the error, or as complete', async (_, retry) => {
    expect(await storyOf([status(503)], { retry })).toEqual(['fetch', 'throws:status'])
    expect(await storyOf([stream(['data: 1\n\n'])], { retry })).toEqual([
      'fetch',
      'message:1',
      'done',
    ])
  })

  test('may retry what the built-in one does not', async () => {
    const answers = [status(404), stream([], reset()), noContent()]
    expect(await storyOf(answers, { retry: async () => 500 })).toEqual([
      ...['fetch', 'reconnect:404:500', 'fetch', 'reconnect:network:500', 'fetch', 'done'],
    ])
  })

  test('is waited for, as long as it takes', async () => {
    let answer!: (delay: number) => void
    const run = await play(
      [status(503), noContent()],
      {
        retry: () => new Promise((resolve) => (answer = resolve)),
      },
      3_600_000,
    )
    expect([run.source.status, run.source.retryAt, ...run.story]).toEqual([
      'waiting',
      undefined,
      'fetch',
    ])
    answer(5)
    await vi.advanceTimersByTimeAsync(5)
    await run.followed
    expect(run.story).toEqual(['fetch', 'reconnect:503:5', 'fetch', 'done'])
  })

  test.each([
    ['undefined', undefined],
    ['null', null],
    ['true', true],
    ['NaN', Number.NaN],
    ['-1', -1],
    ['a text', 'x'],
  ])('that returns %s is told what to return', async (_, answer) => {
    for (const retry of [() => answer, async () => answer]) {
      const { source } = prepare([status(503)], { retry: retry as never })
      const failure = await failureOf(source[Symbol.asyncIterator]().next())
      expect(failure).toBeInstanceOf(TypeError)
      expect(failure.message).toMatch(/^Expected retry to return milliseconds or false/)
    }
  })

  test.each(['throws', 'rejects'])(
    'that %s ends the stream with that, whatever it is',
    async (way) => {
      const own = new Error('of the caller')
      for (const failure of [own, new SseError('network', 'again'), 'text', undefined, 0]) {
        const retry = vi.fn(() => {
          if (way === 'throws') throw failure
          return Promise.reject(failure)
        })
        const { source } = prepare([status(503)], { retry })
        expect(await failureOf(source[Symbol.asyncIterator]().next())).toBe(failure)
        expect(retry).toHaveBeenCalledTimes(1)
      }
    },
  )

  test('that throws the error it was asked about ends the stream: no hot loop', async () => {
    const retry: RetryPolicy = ({ error, delay }) => {
      if (error) throw error
      return delay
    }
    const { source, story } = prepare([status(503)], { retry })
    expect(await failureOf(source[Symbol.asyncIterator]().next())).toMatchObject({ status: 503 })
    expect(story).toEqual(['fetch'])
  })

  test.each<[string, AnyOptions]>([
    ['close()', {}],
    ['an abort', { signal: AbortSignal.abort() }],
    ['a 204', {}],
    ['the terminal event', { until: '1' }],
    ['a clean end that completes', { onEnd: 'complete' }],
  ])('is not asked about %s', async (name, options) => {
    const retry = vi.fn(() => 0)
    const answer = /204/.test(name)
      ? noContent()
      : name === 'close()'
        ? live().response
        : stream(['data: 1\n\n'])
    const run = await play([answer], { retry, ...options })
    await stop(run)
    expect(retry).not.toHaveBeenCalled()
  })
})

describe('onEnd', () => {
  test('says what a clean end means, by the method where nothing is said', async () => {
    const ended = async (options: AnyOptions) => {
      const story = await storyOf([stream(['data: 1\n\n']), noContent()], options)
      return story.filter((line) => line === 'fetch').length
    }
    expect(await ended({})).toBe(2)
    expect(await ended({ method: 'QUERY', body: 'x' })).toBe(2)
    expect(await ended({ method: 'POST' })).toBe(1)
    expect(await ended({ json: {} })).toBe(1)
    expect(await ended({ onEnd: 'complete' })).toBe(1)
    expect(await ended({ method: 'POST', onEnd: 'reconnect', resume: 'same' })).toBe(2)
  })
})

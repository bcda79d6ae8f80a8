import { describe, expect, test, vi } from 'vitest'
import { SseError } from '../../src/errors'
import { follow } from '../support/fetch'
import { moments } from '../support/moments'
import {
  noContent,
  ownTheClock,
  play,
  prepare,
  reset,
  settled,
  status,
  stop,
} from '../support/play'
import { live, stream } from '../support/response'

ownTheClock()

describe('fail()', () => {
  const reason = new Error('subscription refused')

  test.each(Object.entries(moments).filter(([name]) => !name.startsWith('decode')))(
    'while %s: the policy says when to try again',
    async (name, moment) => {
      const told: unknown[] = []
      const { source, story } = prepare([moment.answer(), 'silence'], {
        retry: ({ error, failures, delay }) => {
          told.push([error?.code, error?.cause, failures, delay])
          return told.length > 9 ? false : 7000
        },
        ...moment.options,
        onReconnect: ({ error, delay }) => story.push(`reconnect:${error?.code}:${delay}`),
      })
      const followed = follow(source, story)
      await settled()
      expect(source.status).toBe(moment.at)
      const before = told.length
      if (name === 'a policy is deciding') {
        source.fail(reason)
        await settled()
        expect(source.status).toBe('waiting')
        source.close()
        return followed
      }
      source.fail(reason)
      expect([source.status, source.retryAt]).toEqual(['waiting', undefined])
      await settled()
      expect(told.slice(before)).toMatchObject([
        ['refused', reason, before + 1, 1000 * 2 ** before],
      ])
      expect([source.status, source.retryAt]).toEqual(['waiting', Date.now() + 7000])
      expect(story.at(-1)).toBe('reconnect:refused:7000')
      source.close()
      await followed
    },
  )

  test('asks a policy anew that is still deciding, and takes no answer of the old question', async () => {
    const answers: ((delay: number) => void)[] = []
    const codes: unknown[] = []
    const run = await play([status(503), noContent()], {
      retry: ({ error }) => {
        codes.push(error?.code)
        return new Promise((resolve) => answers.push(resolve))
      },
    })
    run.source.fail(reason)
    await settled()
    answers[0]?.(1)
    await vi.advanceTimersByTimeAsync(100)
    expect([run.source.status, run.source.retryAt]).toEqual(['waiting', undefined])
    answers[1]?.(5)
    await vi.advanceTimersByTimeAsync(100)
    await run.followed
    expect(codes).toEqual(['status', 'refused'])
    expect(run.story).toEqual(['fetch', 'reconnect:refused:100', 'fetch', 'done'])
  })

  test('is thrown where the policy gives up', async () => {
    for (const retry of [false, () => false as const, { maxRetries: 0 }] as const) {
      const run = await play([live().response], { retry })
      run.source.fail(reason)
      await run.followed
      expect(run.story).toEqual(['fetch', 'throws:refused'])
    }
  })

  test('takes an SseError as it is, and holds it retriable whatever its code', async () => {
    for (const code of ['data', 'refused', 'auth', 'content-type', 'unrepeatable'] as const) {
      const error = new SseError(code, 'of the caller')
      const errors: unknown[] = []
      const run = await play([live().response, noContent()], {
        onReconnect: (reconnect) => errors.push(reconnect),
      })
      run.source.fail(error)
      await vi.advanceTimersByTimeAsync(1000)
      await run.followed
      expect(errors).toEqual([{ error, delay: 1000, failures: 1, attempt: 1 }])
      expect(error).toMatchObject({ retriable: true, attempt: 1 })
      expect(run.story).toEqual(['fetch', 'fetch', 'done'])
    }
  })

  test('with a 401 is the caller’s failure, not a refusal that fresh headers answer', async () => {
    const run = await play([live().response, noContent()], { headers: () => ({}) })
    run.source.fail(new SseError('status', 'not you', { status: 401 }))
    await vi.advanceTimersByTimeAsync(1000)
    await run.followed
    expect(run.story).toEqual(['fetch', 'reconnect:401:1000', 'fetch', 'done'])
  })

  test('is the word that a request may be repeated that is not safe; for once', async () => {
    const run = await play([live().response, reset()], { method: 'POST' })
    run.source.fail(reason)
    await vi.advanceTimersByTimeAsync(1000)
    await run.followed
    expect(run.story).toEqual(['fetch', 'reconnect:refused:1000', 'fetch', 'throws:network'])
  })

  test('is no word any more once reconnect() has been called after it', async () => {
    const run = await play([live().response, reset()], { method: 'POST' })
    run.source.fail(reason)
    await settled()
    run.source.reconnect()
    await run.followed
    expect(run.story).toEqual(['fetch', 'reconnect:refused:1000', 'fetch', 'throws:network'])
    const other = await play([live().response, reset()], { method: 'POST' })
    other.source.fail(reason)
    other.source.reconnect()
    await other.followed
    expect(other.story).toEqual(['fetch', 'fetch', 'throws:network'])
  })

  test('is no progress, however often: no hot loop', async () => {
    const refusing = () => stream(['event: refused\ndata: no\n\n'], 'stall')
    const { source, story } = prepare(Array.from({ length: 8 }, refusing))
    const followed = (async () => {
      for await (const _ of source) source.fail(reason)
    })()
    await vi.advanceTimersByTimeAsync(10_000)
    expect(story).toEqual([
      ...['fetch', 'reconnect:refused:1000', 'fetch', 'reconnect:refused:2000'],
      ...['fetch', 'reconnect:refused:4000', 'fetch', 'reconnect:refused:8000'],
    ])
    source.close()
    await followed
  })

  test('in the middle of a batch: the rest of it is delivered first', async () => {
    const { source, story } = prepare([
      stream(['id: 1\ndata: 1\n\nid: 2\ndata: 2\n\n'], 'stall'),
      noContent(),
    ])
    const followed = (async () => {
      for await (const { data } of source) {
        story.push(data)
        if (data === '1') source.fail(reason)
      }
    })()
    await vi.advanceTimersByTimeAsync(1000)
    await followed
    expect(story).toEqual(['fetch', '1', '2', 'reconnect:refused:1000', 'fetch:2'])
  })

  test('after reconnect(), and reconnect() after it: the last word counts', async () => {
    const run = await play([live().response, live().response, live().response, noContent()])
    run.source.fail(reason)
    run.source.reconnect()
    await settled()
    expect(run.story).toEqual(['fetch', 'fetch'])
    run.source.reconnect()
    run.source.fail(reason)
    await settled()
    expect(run.story).toEqual(['fetch', 'fetch', 'reconnect:refused:1000'])
    await stop(run)
  })

  test('has no effect before the start and after the end', async () => {
    const { source, story } = prepare([noContent()])
    source.fail(reason)
    const iterator = source[Symbol.asyncIterator]()
    source.fail(reason)
    expect(source.status).toBe('idle')
    await iterator.next()
    source.fail(reason)
    await settled()
    expect([source.status, ...story]).toEqual(['closed', 'fetch'])
  })

  test('with nothing, and with what no error is, is told all the same', async () => {
    for (const cause of [undefined, null, 0, 'text']) {
      const run = await play([live().response], { retry: false })
      const failed = vi.fn()
      run.source.fail(cause)
      await run.followed.catch(failed)
      expect(run.story).toEqual(['fetch', 'throws:refused'])
    }
  })
})

import { describe, expect, test, vi } from 'vitest'
import { SseError } from '../../src/errors'
import type { Attempt } from '../../src/transport/request'
import { follow } from '../support/fetch'
import { moments, never } from '../support/moments'
import {
  type AnyOptions,
  failureOf,
  idOf,
  noContent,
  ownTheClock,
  play,
  prepare,
  refusedBy,
  reset,
  settled,
  status,
  stop,
  storyOf,
} from '../support/play'
import { live, stream } from '../support/response'

ownTheClock()

describe('close()', () => {
  test('ends an iteration that has not begun: nothing is sent', async () => {
    const { source, story } = prepare([stream(['data: 1\n\n'])])
    const iterator = source[Symbol.asyncIterator]()
    source.close()
    expect(await iterator.next()).toEqual({ done: true, value: undefined })
    expect([source.status, ...story]).toEqual(['closed'])
  })

  test('before the start leaves nothing to stop', async () => {
    const { source, story } = prepare([])
    source.close()
    source.close()
    expect([source.status, ...story]).toEqual(['closed'])
  })

  test.each(Object.entries(moments))('while %s completes a pending next()', async (_, moment) => {
    const { source, requests } = prepare([moment.answer()], moment.options)
    const iterator = source[Symbol.asyncIterator]()
    const next = iterator.next()
    await settled()
    expect(source.status).toBe(moment.at)
    source.close()
    expect([source.status, source.retryAt]).toEqual(['closed', undefined])
    expect(await next).toEqual({ done: true, value: undefined })
    expect(await iterator.next()).toEqual({ done: true, value: undefined })
    expect(vi.getTimerCount()).toBe(0)
    for (const { signal } of requests) expect(signal?.aborted).toBe(true)
  })

  test.each(Object.entries(moments))(
    'while %s rejects a pending next() when it is an abort',
    async (_, moment) => {
      const control = new AbortController()
      const { signal } = control
      const { source, requests } = prepare([moment.answer()], { ...moment.options, signal })
      const iterator = source[Symbol.asyncIterator]()
      const next = failureOf(iterator.next())
      await settled()
      expect(source.status).toBe(moment.at)
      const reason = { not: 'even an error' }
      control.abort(reason)
      expect(source.status).toBe('closed')
      expect(await next).toBe(reason)
      expect(await iterator.next()).toEqual({ done: true, value: undefined })
      expect(vi.getTimerCount()).toBe(0)
      for (const { signal } of requests) expect(signal?.aborted).toBe(true)
    },
  )

  test('lets go of the body', async () => {
    const { response, cancelled } = live()
    const run = await play([response])
    run.source.close()
    await cancelled
    await run.followed
    expect(run.story).toEqual(['fetch', 'done'])
  })

  test('in onReconnect makes no further attempt', async () => {
    const onReconnect = () => source.close()
    const { source, story } = prepare([status(503)], { onReconnect })
    await follow(source, story)
    expect([source.status, ...story]).toEqual(['closed', 'fetch', 'done'])
  })

  test('in a policy makes no further attempt, whatever that returns', async () => {
    for (const answer of [0, false, Promise.resolve(0)] as const) {
      const retry = () => {
        source.close()
        return answer
      }
      const { source, story } = prepare([status(503)], { retry })
      await follow(source, story)
      expect([source.status, source.retryAt, ...story]).toEqual([
        'closed',
        undefined,
        'fetch',
        'done',
      ])
    }
  })

  test.each([
    ['decode', { decode: () => 'x' }],
    ['until', { until: () => true }],
    ['cursor', { cursor: () => '5' }],
    ['skip', { skip: () => false }],
    ['an async decode', { decode: async () => 'x' }],
  ] as [string, AnyOptions][])(
    'in %s: the event that it looks at is not delivered',
    async (_, given) => {
      const [name, look] = Object.entries(given)[0] as [string, () => unknown]
      const closing = () => {
        source.close()
        return look()
      }
      for (const lane of ['events', 'batches']) {
        const { source: own, story } = prepare([stream(['id: 1\ndata: 1\n\nid: 2\ndata: 2\n\n'])], {
          [name]: closing,
        })
        source = own
        const iterator = lane === 'events' ? own[Symbol.asyncIterator]() : own.batches()
        expect(await iterator.next()).toEqual({ done: true, value: undefined })
        expect([own.status, own.lastEventId, own.cursor, ...story]).toEqual([
          'closed',
          '',
          '',
          'fetch',
        ])
      }
    },
  )
  let source: ReturnType<typeof prepare>['source']

  test('in onComment: the event after it is not delivered', async () => {
    const { source: own } = prepare([stream(['data: 1\n\n: stop\n\nid: 2\ndata: 2\n\n'])], {
      onComment: () => own.close(),
    })
    const iterator = own[Symbol.asyncIterator]()
    expect(await iterator.next()).toMatchObject({ value: { data: '1' } })
    expect(await iterator.next()).toEqual({ done: true, value: undefined })
    expect(own.lastEventId).toBe('')
  })

  test('in decode, in the middle of a batch: what was taken before is handed over', async () => {
    const decode = (data: string) => {
      if (data === '3') source.close()
      return data
    }
    const chunk = [1, 2, 3, 4].map((id) => `id: ${id}\ndata: ${id}\n\n`).join('')
    const { source } = prepare([stream([chunk])], { decode })
    const seen: string[] = []
    for await (const batch of source.batches()) for (const { data } of batch) seen.push(data)
    expect([seen, source.lastEventId]).toEqual([['1', '2'], '2'])
  })

  test.each(['close', 'abort'])(
    '%s in the loop body: nothing more is delivered of the batch',
    async (way) => {
      const control = new AbortController()
      const { source, story } = prepare([stream(['id: 1\ndata: 1\n\nid: 2\ndata: 2\n\n'])], {
        signal: control.signal,
      })
      const loop = async () => {
        for await (const { data } of source) {
          story.push(data)
          if (way === 'close') source.close()
          else control.abort('stop')
        }
        story.push('done')
      }
      await loop().catch((reason) => story.push(reason))
      expect(story).toEqual(['fetch', '1', way === 'close' ? 'done' : 'stop'])
      expect(source.lastEventId).toBe('1')
    },
  )
})

describe('signal', () => {
  const reasons: unknown[] = [
    undefined,
    'a string',
    null,
    0,
    new Error('own'),
    { any: 'thing' },
    // One that the policy would retry, had it been asked.
    new SseError('network', 'of the caller'),
  ]

  test.each(reasons)(
    'aborted before the start with %o: no request, not even for headers',
    async (reason) => {
      const control = new AbortController()
      control.abort(reason)
      const called = vi.fn(() => ({}))
      const { source, story } = prepare([], {
        signal: control.signal,
        headers: called,
        gate: called as never,
      })
      for (const _ of [1, 2]) {
        const iterator = source[Symbol.asyncIterator]()
        expect([await failureOf(iterator.next())]).toEqual([control.signal.reason])
        expect(await iterator.next()).toEqual({ done: true, value: undefined })
      }
      expect([source.status, ...story]).toEqual(['closed'])
      expect(called).not.toHaveBeenCalled()
    },
  )

  test.each(reasons)('aborted while open with %o rejects with just that', async (reason) => {
    const control = new AbortController()
    const { source } = prepare([live().response], { signal: control.signal })
    const thrown = failureOf(source[Symbol.asyncIterator]().next())
    await settled()
    control.abort(reason)
    expect(await thrown).toBe(control.signal.reason)
  })

  test('keeps no listener of a stream that has ended, whatever way', async () => {
    const control = new AbortController()
    const { signal } = control
    let listeners = 0
    const add = vi.spyOn(signal, 'addEventListener').mockImplementation(() => void listeners++)
    const remove = vi
      .spyOn(signal, 'removeEventListener')
      .mockImplementation(() => void listeners--)
    for (const answers of [[noContent()], [status(403)], [status(503), stream([]), status(403)]]) {
      await storyOf(answers, { signal })
      expect(listeners).toBe(0)
    }
    expect(add.mock.calls.length).toBe(3)
    expect(remove.mock.calls.length).toBe(3)
  })
})

describe('reconnect()', () => {
  test('drops an open connection and connects at once, with the last event ID', async () => {
    const first = live()
    const run = await play([first.response, stream(['data: 2\n\n'], 'stall')])
    first.write('id: 7\ndata: 1\n\nid: 8\ndata: cut off')
    await settled()
    run.source.reconnect()
    expect(run.source.status).toBe('connecting')
    await first.cancelled
    await settled()
    expect(run.story).toEqual(['fetch', 'message:1', 'fetch:7', 'message:2'])
    expect(run.requests[0]?.signal?.aborted).toBe(true)
    await stop(run)
  })

  test('in the middle of a batch loses nothing of it and doubles nothing', async () => {
    const { source, story } = prepare([
      stream(
        ['id: 1\ndata: 1\n\nid: 2\ndata: 2\n\nid: 3\ndata: 3\n\nid: 4\ndata: cut off'],
        'stall',
      ),
      stream(['id: 4\ndata: 4\n\n']),
      noContent(),
    ])
    for await (const { data } of source) {
      story.push(data)
      if (data === '1') source.reconnect()
      if (data === '4') source.reconnect()
    }
    expect(story).toEqual(['fetch', '1', '2', '3', 'fetch:3', '4', 'fetch:4'])
  })

  test('in the middle of the last batch still completes the stream', async () => {
    const { source, story } = prepare([stream(['data: 1\n\ndata: end\n\n'])], { until: 'end' })
    for await (const { data } of source) {
      story.push(data)
      source.reconnect()
    }
    expect(story).toEqual(['fetch', '1'])
  })

  test('skips the wait when called from onReconnect', async () => {
    const onReconnect = () => source.reconnect()
    const { source, story } = prepare([status(503), noContent()], { onReconnect })
    await follow(source, story)
    expect(story).toEqual(['fetch', 'fetch', 'done'])
  })

  test('skips the wait when called from a policy', async () => {
    const retry = () => {
      source.reconnect()
      return 60_000
    }
    const { source, story } = prepare([status(503), noContent()], { retry })
    await follow(source, story)
    expect(story).toEqual(['fetch', 'fetch', 'done'])
  })

  test('starts the count of failures afresh', async () => {
    const run = await play([reset(), reset(), reset()], {}, 1000)
    expect(run.source.failures).toBe(2)
    run.source.reconnect()
    await settled()
    expect(run.story).toEqual([
      'fetch',
      'reconnect:network:1000',
      'fetch',
      'reconnect:network:2000',
      'fetch',
      'reconnect:network:1000',
    ])
    expect(run.source.failures).toBe(1)
    await stop(run)
  })

  test('hides no error from the next attempt, and shows none that is older', async () => {
    const errors: unknown[] = []
    const headers = ({ error }: Attempt) => {
      errors.push(error?.status)
      return {}
    }
    const first = live()
    const run = await play([status(503), first.response, noContent()], { headers })
    run.source.reconnect()
    await settled()
    run.source.reconnect()
    await run.followed
    expect(errors).toEqual([undefined, undefined, undefined])
  })

  test('takes no argument: what a button passes is ignored', async () => {
    const run = await play([live().response, noContent()])
    const button = run.source.reconnect.bind(run.source) as (event: Event) => void
    button(new Event('click'))
    await run.followed
    expect(run.story).toEqual(['fetch', 'fetch', 'done'])
  })

  test('has no effect before the start and after the end', async () => {
    const { source, story } = prepare([noContent()])
    source.reconnect()
    const iterator = source[Symbol.asyncIterator]()
    source.reconnect()
    await settled()
    expect([source.status, ...story]).toEqual(['idle'])
    await iterator.next()
    source.reconnect()
    await settled()
    expect([source.status, ...story]).toEqual(['closed', 'fetch'])
  })

  test('is the word that a request may be repeated that is not safe; for once', async () => {
    const run = await play([live().response, reset()], { method: 'POST' })
    run.source.reconnect()
    await run.followed
    expect(run.story).toEqual(['fetch', 'fetch', 'throws:network'])
  })

  test.each(Object.entries(moments))(
    'while %s connects at once, without a wait, an error or a failure',
    async (name, moment) => {
      const { decode, until: _, ...options } = moment.options
      let hangs = true
      const once = (hang: unknown) =>
        typeof hang === 'function'
          ? (...args: unknown[]) => (hangs ? hang(...args) : undefined)
          : hang
      const seen: unknown[] = []
      const attempts: Attempt[] = []
      const made = Object.fromEntries(
        Object.entries(options).map(([key, value]) => [key, once(value)]),
      )
      const accept = options.accept && (() => (hangs ? never() : true))
      const unsent = /^(the gate|headers|the body)/.test(name)
      const answers = unsent ? [noContent()] : [moment.answer(), noContent()]
      const { source, story, requests } = prepare(answers, {
        onReconnect: () => {},
        ...made,
        ...(accept && { accept }),
        ...(!options.headers && {
          headers: (attempt: Attempt) => {
            attempts.push(attempt)
            return {}
          },
        }),
      })
      const followed = follow(source, story)
      await settled()
      if (decode) {
        // What has been read is delivered first: see below.
        source.close()
        return followed
      }
      expect(source.status).toBe(moment.at)
      hangs = false
      source.reconnect()
      seen.push(source.status, source.retryAt)
      await followed
      expect(seen).toEqual(['connecting', undefined])
      expect(source.failures).toBe(0)
      expect(attempts.at(-1)?.error).toBe(undefined)
      expect(requests.length).toBe(answers.length)
      expect(story.at(-1)).toBe('done')
    },
  )

  test('while decode is pending: what was read is delivered first', async () => {
    const decoded: ((data: string) => void)[] = []
    const decode = () => new Promise<string>((resolve) => decoded.push(resolve))
    const run = await play([stream(['id: 1\ndata: 1\n\n'], 'stall'), noContent()], { decode })
    run.source.reconnect()
    await settled()
    expect(run.story).toEqual(['fetch'])
    decoded[0]?.('slow')
    await run.followed
    expect(run.story).toEqual(['fetch', 'message:slow', 'fetch:1', 'done'])
  })
})

describe('the caller’s own word', () => {
  test('does not make a body sendable twice', async () => {
    for (const way of ['reconnect', 'fail'] as const) {
      const run = await play([live().response], { body: live().response.body, method: 'POST' })
      run.source[way](undefined)
      await run.followed
      expect(run.story).toEqual(['fetch', 'throws:unrepeatable'])
    }
  })

  test('a new iteration sends the request again, with its place, without resume', async () => {
    const { source, story, requests } = prepare(
      [stream(['id: 3\ndata: 1\n\n'], refusedBy('ECONNRESET')), noContent()],
      { method: 'POST' },
    )
    await follow(source, story)
    await follow(source, story)
    expect(story).toEqual(['fetch', 'message:1', 'throws:network', 'fetch:3', 'done'])
    expect(requests.map(idOf)).toEqual([null, '3'])
  })
})

describe('a listener of an attempt’s signal', () => {
  test.each([
    ['close', 'closed'],
    ['reconnect', 'connecting'],
    ['fail', 'waiting'],
  ] as const)('finds the stream as %s() leaves it', async (way, expected) => {
    const seen: unknown[] = []
    const headers = ({ signal }: Attempt) => {
      signal.addEventListener('abort', () => seen.push([source.status, source.retryAt]))
      return {}
    }
    const { source } = prepare([live().response], { headers })
    const next = source[Symbol.asyncIterator]().next()
    await settled()
    source[way]('no good')
    expect(seen).toEqual([[expected, undefined]])
    source.close()
    await next
  })

  test.each(['reconnect', 'fail'] as const)('closes it within %s(), for good', async (way) => {
    const headers = ({ signal }: Attempt) => {
      signal.addEventListener('abort', () => source.close())
      return {}
    }
    const { source, story } = prepare([live().response], { headers })
    const next = source[Symbol.asyncIterator]().next()
    await settled()
    source[way]('no good')
    expect(source.status).toBe('closed')
    expect(await next).toEqual({ done: true, value: undefined })
    expect([source.status, ...story]).toEqual(['closed', 'fetch'])
  })

  test('has the last word where it reconnects within fail()', async () => {
    const headers = ({ signal }: Attempt) => {
      signal.addEventListener('abort', () => source.reconnect())
      return {}
    }
    const { source, story } = prepare([live().response, noContent()], { headers })
    const next = source[Symbol.asyncIterator]().next()
    await settled()
    source.fail('no good')
    expect(source.status).toBe('connecting')
    await next
    expect(story).toEqual(['fetch', 'fetch'])
  })
})

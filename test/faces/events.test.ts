import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { SseError } from '../src/errors'
import { type EventStream, type EventsOptions, events } from '../src/events'
import type { Attempt } from '../src/request'
import type { RetryContext, RetryPolicy } from '../src/retry'
import { type Answer, answering, follow, type Sent } from './support/fetch'
import { live, stream } from './support/response'

const FEED = 'https://example.com/feed'

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(Math, 'random').mockReturnValue(0)
})
afterEach(() => {
  // Whatever a test did, no timer outlives it.
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
  vi.restoreAllMocks()
})

const status = (code: number, headers?: HeadersInit) =>
  new Response(null, { status: code, headers })
const noContent = () => status(204)
const reset = () => new TypeError('fetch failed')
/** All that is due now has happened. */
const settled = () => vi.advanceTimersByTimeAsync(0)
const whyOf = (error: SseError | undefined) =>
  error?.code === 'status' ? error.status : (error?.code ?? 'end')
const idOf = ({ headers }: Sent) => headers.get('last-event-id')

interface Play {
  readonly source: EventStream
  readonly requests: Sent[]
  /** `'fetch'` or `'fetch:ID'` per attempt, `'reconnect:why:delay'`, events, and the end. */
  readonly story: string[]
  /** The iteration that was begun at once. */
  readonly followed: Promise<void>
}

function prepare(answers: Answer[], options: EventsOptions = {}): Omit<Play, 'followed'> {
  const story: string[] = []
  const { fetch, requests } = answering(...answers)
  const source = events(FEED, {
    onReconnect: ({ error, delay }) => story.push(`reconnect:${whyOf(error)}:${delay}`),
    ...options,
    fetch(url, init) {
      const id = new Headers(init.headers).get('last-event-id')
      story.push(id === null ? 'fetch' : `fetch:${id}`)
      return fetch(url, init)
    },
  })
  return { source, requests, story }
}

/** Runs the stream until it has settled, or for so many milliseconds. */
async function play(answers: Answer[], options?: EventsOptions, time = 0): Promise<Play> {
  const prepared = prepare(answers, options)
  const followed = follow(prepared.source, prepared.story)
  await vi.advanceTimersByTimeAsync(time)
  return { ...prepared, followed }
}

async function stop({ source, followed }: Play): Promise<void> {
  source.close()
  await followed
}

describe('laziness', () => {
  test('nothing is sent before the first next()', async () => {
    const { source, story } = prepare([noContent()])
    const iterator = source[Symbol.asyncIterator]()
    source.batches()[Symbol.asyncIterator]()
    await settled()
    expect([source.status, ...story]).toEqual(['idle'])
    await iterator.next()
    expect(story).toEqual(['fetch'])
  })

  test('what is not asked for is not read', async () => {
    const pulls: number[] = []
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          pulls.push(pulls.length + 1)
          controller.enqueue(new TextEncoder().encode(`data: ${pulls.length}\n\n`))
        },
      },
      { highWaterMark: 0 },
    )
    const headers = { 'content-type': 'text/event-stream' }
    const { source } = prepare([new Response(body, { headers })])
    const iterator = source[Symbol.asyncIterator]()
    for (const expected of [[1], [1, 2], [1, 2, 3]]) {
      await iterator.next()
      await settled()
      expect(pulls).toEqual(expected)
    }
    source.close()
  })
})

describe('one consumer at a time', () => {
  const message =
    'Expected one consumer at a time, got a second. Close the stream first, or call events() again'

  test('a second one is refused while the first runs, of either kind', async () => {
    const run = await play(['silence'])
    expect(() => run.source[Symbol.asyncIterator]()).toThrow(new TypeError(message))
    expect(() => run.source.batches()[Symbol.asyncIterator]()).toThrow(new TypeError(message))
    await stop(run)
  })

  test('of two that are made, the one that starts second is refused', async () => {
    const { source, story } = prepare([stream(['data: 1\n\n']), noContent()])
    const first = source[Symbol.asyncIterator]()
    const second = source[Symbol.asyncIterator]()
    expect(await first.next()).toMatchObject({ value: { data: '1' } })
    await expect(second.next()).rejects.toThrow(new TypeError(message))
    source.close()
    expect(await first.next()).toEqual({ done: true, value: undefined })
    expect(story).toEqual(['fetch'])
  })

  test('one that was returned before it started leaves the way free', async () => {
    const { source, story } = prepare([noContent()])
    const unused = source[Symbol.asyncIterator]()
    await unused.return?.()
    expect(await unused.next()).toEqual({ done: true, value: undefined })
    expect(story).toEqual([])
    await follow(source, story)
    expect(story).toEqual(['fetch', 'done'])
  })
})

describe('a new iteration after the end resumes', () => {
  const chunk = 'id: 7\ndata: 1\n\nid: 8\ndata: 2\n\n'
  const ends: [string, Answer, (source: EventStream, story: string[]) => Promise<void>, string][] =
    [
      ['a complete stream', stream([chunk]), follow, '8'],
      ['a failure', stream([chunk, 'data: 12345678901234567890\n\n']), follow, '8'],
      [
        'close() in the loop body, from the last event delivered',
        stream([chunk]),
        async (source, story) => {
          for await (const { data } of source) {
            story.push(data)
            source.close()
          }
        },
        '7',
      ],
      [
        'a break, from the last event delivered',
        stream([chunk]),
        async (source) => {
          for await (const { data } of source) if (data === '1') break
        },
        '7',
      ],
      [
        'a return of batches(), with all of the batch delivered',
        stream([chunk]),
        async (source) => {
          for await (const batch of source.batches()) if (batch.length === 2) break
        },
        '8',
      ],
    ]

  test.each(ends)('%s', async (_, answer, end, id) => {
    const options: EventsOptions = { onEnd: 'complete', maxEventSize: 20, retry: false }
    const { source, requests, story } = prepare([answer, noContent()], options)
    await end(source, story)
    expect(source.status).toBe('closed')
    expect(source.lastEventId).toBe(id)
    await follow(source, story)
    expect(requests.map(idOf)).toEqual([null, id])
  })

  test('counting attempts and failures from the start', async () => {
    const numbers: number[] = []
    const { source, story } = prepare([reset(), reset(), reset(), reset()], {
      retry: { maxRetries: 1 },
      headers: ({ number }) => {
        numbers.push(number)
        return {}
      },
    })
    for (const _ of [1, 2]) {
      const followed = follow(source, story)
      await vi.advanceTimersByTimeAsync(1000)
      await followed
    }
    const once = ['fetch', 'reconnect:network:1000', 'fetch', 'throws:network']
    expect(story).toEqual([...once, ...once])
    expect(numbers).toEqual([1, 2, 1, 2])
  })
})

describe('status and response', () => {
  test('idle, connecting, open, waiting, connecting, open, closed', async () => {
    const answers = [stream(['data: 1\n\n']), stream(['data: 2\n\n'])]
    const seen: unknown[] = []
    const look = (at: string): void => {
      seen.push([at, source.status, source.response === undefined])
    }
    const { fetch } = answering(...answers)
    const source: EventStream = events(FEED, {
      headers: () => {
        look('headers')
        return {}
      },
      fetch(url, init) {
        look('fetch')
        return fetch(url, init)
      },
      onOpen: () => look('onOpen'),
    })
    look('made')
    const iterator = source[Symbol.asyncIterator]()
    await iterator.next()
    look('event')
    expect(source.response).toBe(answers[0])
    const next = iterator.next()
    await settled()
    look('between')
    source.reconnect()
    await next
    expect(source.response).toBe(answers[1])
    source.close()
    look('closed')
    expect(await iterator.next()).toEqual({ done: true, value: undefined })
    expect(seen).toEqual([
      ['made', 'idle', true],
      ['headers', 'connecting', true],
      ['fetch', 'connecting', true],
      ['onOpen', 'connecting', true],
      ['event', 'open', false],
      ['between', 'waiting', true],
      ['headers', 'connecting', true],
      ['fetch', 'connecting', true],
      ['onOpen', 'connecting', true],
      ['closed', 'closed', true],
    ])
  })

  test('a stream is closed by the time its failure is seen', async () => {
    const { source } = prepare([status(404)])
    const failed = source[Symbol.asyncIterator]()
      .next()
      .catch(() => [source.status, source.response])
    expect(await failed).toEqual(['closed', undefined])
  })
})

describe('reconnect()', () => {
  test('drops an open connection and connects at once, with the last event ID', async () => {
    const first = live()
    const run = await play([first.response, stream(['data: 2\n\n'], 'stall')])
    first.write('id: 7\ndata: 1\n\nid: 8\ndata: cut off')
    await settled()
    run.source.reconnect()
    await first.cancelled
    await settled()
    expect(run.story).toEqual(['fetch', 'message:1', 'fetch:7', 'message:2'])
    expect(run.requests[0]?.signal?.aborted).toBe(true)
    await stop(run)
  })

  test('drops an attempt that has no answer yet', async () => {
    const run = await play(['silence', noContent()])
    run.source.reconnect()
    await run.followed
    expect(run.requests[0]?.signal?.aborted).toBe(true)
    expect(run.story).toEqual(['fetch', 'fetch', 'done'])
  })

  test('drops the wait', async () => {
    const run = await play([status(503), noContent()])
    expect(run.source.status).toBe('waiting')
    run.source.reconnect()
    await run.followed
    expect(run.story).toEqual(['fetch', 'reconnect:503:1000', 'fetch', 'done'])
  })

  test('skips the wait when called from onReconnect', async () => {
    const onReconnect = () => source.reconnect()
    const { source, story } = prepare([status(503), noContent()], { onReconnect })
    await follow(source, story)
    expect(story).toEqual(['fetch', 'fetch', 'done'])
  })

  test('skips the wait that a policy has yet to decide on', async () => {
    let answer!: (delay: number) => void
    const retry = () => new Promise<number>((resolve) => (answer = resolve))
    const run = await play([status(503), noContent()], { retry })
    run.source.reconnect()
    await settled()
    expect(run.story).toEqual(['fetch'])
    answer(60_000)
    await run.followed
    expect(run.story).toEqual(['fetch', 'reconnect:503:60000', 'fetch', 'done'])
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

  test('starts the count of failures afresh', async () => {
    const run = await play([reset(), reset(), reset()], {}, 1000)
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
    expect(errors).toEqual([undefined, 503, undefined])
  })

  test('has no effect before the start and after the end', async () => {
    const { source, story } = prepare([noContent()])
    source.reconnect()
    await settled()
    expect([source.status, ...story]).toEqual(['idle'])
    await follow(source, story)
    source.reconnect()
    await settled()
    expect([source.status, ...story]).toEqual(['closed', 'fetch', 'done'])
  })
})

test('reconnect() changes nothing before an iteration has begun', async () => {
  const { source, story } = prepare([noContent()])
  const iterator = source[Symbol.asyncIterator]()
  source.reconnect()
  await settled()
  expect([source.status, ...story]).toEqual(['idle'])
  await iterator.next()
  expect(story).toEqual(['fetch'])
})

describe('close()', () => {
  test('ends an iteration that has not begun: nothing is sent', async () => {
    const { source, story } = prepare([stream(['data: 1\n\n'])])
    const iterator = source[Symbol.asyncIterator]()
    source.close()
    expect(await iterator.next()).toEqual({ done: true, value: undefined })
    expect([source.status, ...story]).toEqual(['closed'])
  })

  const never = () => new Promise<never>(() => {})
  const stages: [string, () => Answer, EventsOptions, string][] = [
    ['headers are being made', () => 'silence', { headers: never }, 'connecting'],
    ['the body is being made', () => 'silence', { method: 'POST', body: never }, 'connecting'],
    ['the request is pending', () => 'silence', { connectTimeout: 5000 }, 'connecting'],
    ['onOpen is pending', () => stream([]), { onOpen: never }, 'connecting'],
    [
      'a refused body is being read',
      () => new Response(live().response.body, { status: 404 }),
      {},
      'connecting',
    ],
    ['the stream is open', () => live().response, { idleTimeout: 5000 }, 'open'],
    ['the stream waits', () => status(503), {}, 'waiting'],
    ['a policy is deciding', () => status(503), { retry: never }, 'connecting'],
  ]

  test.each(stages)('while %s completes a pending next()', async (_, answer, options, at) => {
    const { source, requests } = prepare([answer()], options)
    const iterator = source[Symbol.asyncIterator]()
    const next = iterator.next()
    await settled()
    expect(source.status).toBe(at)
    source.close()
    expect(source.status).toBe('closed')
    expect(await next).toEqual({ done: true, value: undefined })
    expect(await iterator.next()).toEqual({ done: true, value: undefined })
    expect(vi.getTimerCount()).toBe(0)
    for (const { signal } of requests) expect(signal?.aborted).toBe(true)
  })

  test.each(stages)(
    'while %s rejects a pending next() when it is an abort',
    async (_, answer, options, at) => {
      const control = new AbortController()
      const { source, requests } = prepare([answer()], { ...options, signal: control.signal })
      const iterator = source[Symbol.asyncIterator]()
      const next = iterator.next().catch((reason) => reason)
      await settled()
      expect(source.status).toBe(at)
      const reason = { not: 'even an error' }
      control.abort(reason)
      expect(source.status).toBe('closed')
      expect(await next).toBe(reason)
      expect(await iterator.next()).toEqual({ done: true, value: undefined })
      expect(vi.getTimerCount()).toBe(0)
      for (const { signal } of requests) expect(signal?.aborted).toBe(true)
    },
  )

  test('before the start leaves nothing to stop', async () => {
    const { source, story } = prepare([])
    source.close()
    expect([source.status, ...story]).toEqual(['closed'])
  })

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
    expect(story).toEqual(['fetch', 'done'])
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

  // The chunk is on its way through promises; whenever the close comes, it cuts there.
  for (let microtasks = 0; microtasks < 25; microtasks++) {
    test(`${microtasks} microtasks after a chunk delivers nothing from then on`, async () => {
      for (const lane of ['events', 'batches']) {
        const body = live()
        const { source, story } = prepare([body.response])
        const seen: string[] = []
        const loop = async () => {
          if (lane === 'events') {
            for await (const { data } of source) seen.push(data)
          } else {
            for await (const batch of source.batches())
              for (const { data } of batch) seen.push(data)
          }
          story.push('done')
        }
        const looped = loop()
        await settled()
        body.write('id: 1\ndata: 1\n\nid: 2\ndata: 2\n\n')
        for (let count = 0; count < microtasks; count++) await undefined
        source.close()
        const { lastEventId } = source
        await looped
        // What was handed out before the close is what arrives.
        expect(source.lastEventId).toBe(lastEventId)
        expect(seen.at(-1) ?? '').toBe(lastEventId)
        expect(story).toEqual(['fetch', 'done'])
      }
    })
  }
})

describe('leaving the loop', () => {
  const ways: [string, (source: EventStream) => Promise<unknown>][] = [
    [
      'break',
      async (source) => {
        for await (const _ of source) break
      },
    ],
    [
      'return',
      async (source) => {
        for await (const { data } of source) return data
      },
    ],
    [
      'a throw',
      async (source) => {
        for await (const { data } of source) throw data
      },
    ],
    [
      'await using',
      async (source) => {
        await using held = source
        await held[Symbol.asyncIterator]().next()
      },
    ],
    [
      'break out of batches()',
      async (source) => {
        for await (const _ of source.batches()) break
      },
    ],
    [
      'return()',
      async (source) => {
        const iterator = source[Symbol.asyncIterator]()
        await iterator.next()
        const pending = iterator.next()
        expect(await iterator.return?.()).toEqual({ done: true, value: undefined })
        expect(await pending).toEqual({ done: true, value: undefined })
      },
    ],
  ]

  test.each(ways)('%s closes the stream and its socket', async (_, leave) => {
    const { response, write, cancelled } = live()
    const { source, requests } = prepare([response], { idleTimeout: 5000 })
    const left = leave(source).catch((thrown) => thrown)
    await settled()
    write('data: 1\n\n')
    await left
    await cancelled
    expect(source.status).toBe('closed')
    expect(requests[0]?.signal?.aborted).toBe(true)
  })
})

describe('next()', () => {
  test('calls that overlap are answered in their order', async () => {
    const body = live()
    const { source } = prepare([body.response], { onEnd: 'complete' })
    const iterator = source[Symbol.asyncIterator]()
    const results: unknown[] = []
    const take = async (call: number) => {
      const { done, value } = await iterator.next()
      results.push([call, done || value.data])
    }
    const calls = [take(1), take(2), take(3)]
    await settled()
    body.write('data: a\n\ndata: b\n\n')
    await settled()
    calls.push(take(4), take(5))
    body.write('data: c\n\ndata: d\n\n')
    body.end()
    calls.push(take(6))
    await Promise.all(calls)
    expect(results).toEqual([
      [1, 'a'],
      [2, 'b'],
      [3, 'c'],
      [4, 'd'],
      [5, true],
      [6, true],
    ])
  })

  test('of calls that overlap, the first gets the failure and the rest the end', async () => {
    const { source } = prepare([status(404)])
    const iterator = source[Symbol.asyncIterator]()
    const calls = [iterator.next(), iterator.next(), iterator.next()]
    expect(await Promise.allSettled(calls)).toMatchObject([
      { status: 'rejected', reason: { code: 'status' } },
      { status: 'fulfilled', value: { done: true } },
      { status: 'fulfilled', value: { done: true } },
    ])
  })
})

describe('batches()', () => {
  test('gives an array for each chunk that completes an event', async () => {
    const chunks = [
      'data: 1\n\nid: 2\nda',
      'ta: 2\n\ndata: 3\n',
      '\n: only a comment\n',
      'data: 4\n\n',
    ]
    const { source } = prepare([stream(chunks)], { onEnd: 'complete' })
    const batches: string[][] = []
    for await (const batch of source.batches()) {
      batches.push(batch.map(({ data, lastEventId }) => `${data}@${lastEventId}`))
    }
    expect(batches).toEqual([['1@'], ['2@2'], ['3@2'], ['4@2']])
    expect(source.lastEventId).toBe('2')
  })

  test('answers calls that overlap in their order, to the end', async () => {
    const chunks = ['data: 1\n\n', 'data: 2\n\ndata: end\n\n']
    const { source } = prepare([stream(chunks)], { until: 'end' })
    const iterator = source.batches()[Symbol.asyncIterator]()
    const results = await Promise.all([iterator.next(), iterator.next(), iterator.next()])
    expect(results).toMatchObject([
      { value: [{ data: '1' }] },
      { value: [{ data: '2' }] },
      { done: true },
    ])
  })

  test('can be iterated anew after its end', async () => {
    const { source, requests } = prepare([stream(['id: 7\ndata: 1\n\n']), noContent()], {
      onEnd: 'complete',
    })
    const batches = source.batches()
    for (const _ of [1, 2]) for await (const _ of batches);
    expect(requests.map(idOf)).toEqual([null, '7'])
  })

  test('rejects with what ended the stream, after the events before it', async () => {
    const { source } = prepare([stream(['data: 1\n\n'], reset())], { retry: false })
    const iterator = source.batches()[Symbol.asyncIterator]()
    expect(await iterator.next()).toMatchObject({ value: [{ data: '1' }] })
    await expect(iterator.next()).rejects.toMatchObject({ code: 'network' })
    expect(await iterator.next()).toMatchObject({ done: true })
  })
})

describe('the headers function', () => {
  test('is called before every attempt, with its number, ID, error and signal', async () => {
    const attempts: Attempt[] = []
    const cut = reset()
    const { source, requests, story } = prepare(
      [stream(['id: 7\ndata: 1\n\n'], cut), stream([]), status(503), noContent()],
      {
        lastEventId: '6',
        headers: async (attempt) => {
          attempts.push(attempt)
          story.push('headers')
          return { Authorization: `Bearer ${attempt.number}` }
        },
      },
    )
    const followed = follow(source, story)
    await vi.advanceTimersByTimeAsync(7000)
    await followed
    expect(story).toEqual([
      'headers',
      'fetch:6',
      'message:1',
      'reconnect:network:1000',
      'headers',
      'fetch:7',
      'reconnect:end:2000',
      'headers',
      'fetch:7',
      'reconnect:503:4000',
      'headers',
      'fetch:7',
      'done',
    ])
    expect(requests.map(({ headers }) => headers.get('authorization'))).toEqual([
      'Bearer 1',
      'Bearer 2',
      'Bearer 3',
      'Bearer 4',
    ])
    expect(attempts).toMatchObject([
      { number: 1, lastEventId: '6', error: undefined },
      { number: 2, lastEventId: '7', error: { code: 'network', cause: cut, attempt: 1 } },
      { number: 3, lastEventId: '7', error: undefined },
      { number: 4, lastEventId: '7', error: { code: 'status', status: 503, attempt: 3 } },
    ])
    for (const [index, { signal }] of attempts.entries()) {
      expect(signal).toBe(requests[index]?.signal)
      expect(signal.aborted).toBe(true)
    }
  })

  test('that fails ends the stream with code auth and its error as the cause', async () => {
    const cause = new Error('no session')
    const { source, story } = prepare([], { headers: () => Promise.reject(cause) })
    const failure = await source[Symbol.asyncIterator]()
      .next()
      .catch((error) => error)
    expect(failure).toMatchObject({ code: 'auth', cause, attempt: 1, retriable: false })
    expect(story).toEqual([])
  })

  test.each([
    new SseError('network', 'the token server is away'),
    new SseError('status', 'the token server asks who we are', { status: 401 }),
  ])('that fails with another stream’s error is code auth all the same: $code', async (error) => {
    const headers = () => {
      throw error
    }
    const { source, story } = prepare([], { headers })
    const failed = expect(source[Symbol.asyncIterator]().next()).rejects
    await failed.toMatchObject({ code: 'auth', cause: error, attempt: 1 })
    expect(story).toEqual([])
  })
})

describe('401', () => {
  const headers = () => ({ Authorization: 'Bearer' })
  const unauthorised = () => status(401)

  test.each<[string, Answer[], EventsOptions, string[]]>([
    [
      'is answered at once by another attempt with new headers',
      [unauthorised(), noContent()],
      { headers },
      ['fetch', 'reconnect:401:0', 'fetch', 'done'],
    ],
    [
      'twice in a row is fatal',
      [unauthorised(), unauthorised()],
      { headers },
      ['fetch', 'reconnect:401:0', 'fetch', 'throws:status'],
    ],
    [
      'is answered again after the stream has been open',
      [unauthorised(), stream([]), unauthorised(), noContent()],
      { headers },
      [
        'fetch',
        'reconnect:401:0',
        'fetch',
        'reconnect:end:1000',
        'fetch',
        'reconnect:401:0',
        'fetch',
        'done',
      ],
    ],
    [
      'is answered again after another failure: the headers that were fresh may be stale by now',
      [unauthorised(), status(503), unauthorised(), noContent()],
      { headers },
      [
        'fetch',
        'reconnect:401:0',
        'fetch',
        'reconnect:503:1000',
        'fetch',
        'reconnect:401:0',
        'fetch',
        'done',
      ],
    ],
    [
      'is fatal where headers is no function',
      [unauthorised()],
      { headers: headers() },
      ['fetch', 'throws:status'],
    ],
    [
      'is answered with retry: false too: new headers make it another request',
      [unauthorised(), noContent()],
      { headers, retry: false },
      ['fetch', 'reconnect:401:0', 'fetch', 'done'],
    ],
    [
      'is answered once before a policy is asked',
      [unauthorised(), unauthorised(), noContent()],
      { headers, retry: ({ failures }) => failures * 50 },
      ['fetch', 'reconnect:401:0', 'fetch', 'reconnect:401:50', 'fetch', 'done'],
    ],
    [
      'of a POST is answered: the server has refused it',
      [unauthorised(), noContent()],
      { headers, method: 'POST' },
      ['fetch', 'reconnect:401:0', 'fetch', 'done'],
    ],
    [
      'keeps the last event ID',
      [stream(['id: 7\ndata: 1\n\n']), unauthorised(), noContent()],
      { headers },
      ['fetch', 'message:1', 'reconnect:end:1000', 'fetch:7', 'reconnect:401:0', 'fetch:7', 'done'],
    ],
  ])('%s', async (_, answers, options, expected) => {
    const run = await play(answers, options, 60_000)
    await run.followed
    expect(run.story).toEqual(expected)
  })

  test('twice in a row is answered again after reconnect()', async () => {
    const open = live()
    const run = await play([unauthorised(), open.response, unauthorised(), noContent()], {
      headers,
    })
    run.source.reconnect()
    await run.followed
    expect(run.story).toEqual([
      'fetch',
      'reconnect:401:0',
      'fetch',
      'fetch',
      'reconnect:401:0',
      'fetch',
      'done',
    ])
  })

  test('is what the attempt that answers it is told', async () => {
    const errors: unknown[] = []
    const run = await play([unauthorised(), noContent()], {
      headers: ({ error }) => {
        errors.push(error?.status)
        return {}
      },
    })
    await run.followed
    expect(errors).toEqual([undefined, 401])
  })
})

describe('until', () => {
  const chunk = 'data: 1\n\nevent: end\ndata: 2\n\ndata: 3\n\n'

  test.each<[string, EventsOptions['until'], string[]]>([
    ['a string ends at the event with that data', '2', ['message:1', 'done']],
    [
      'a string equals all of the data',
      '',
      ['message:1', 'end:2', 'message:3', 'throws:truncated'],
    ],
    ['a predicate ends where it says so', ({ type }) => type === 'end', ['message:1', 'done']],
    ['may end before the first event', () => true, ['done']],
  ])('%s, and does not deliver it', async (_, until, expected) => {
    const run = await play([stream([chunk])], { until, retry: false })
    await run.followed
    expect(run.story).toEqual(['fetch', ...expected])
    expect(run.source.status).toBe('closed')
  })

  test('lets go of the body that goes on', async () => {
    const { response, write, cancelled } = live()
    const run = await play([response], { until: '2' })
    write(chunk)
    await cancelled
    await run.followed
    expect(run.story).toEqual(['fetch', 'message:1', 'done'])
  })

  test('says of a stream that ends before it that it is truncated, and reconnects', async () => {
    const run = await play(
      [stream(['id: 1\ndata: 1\n\n']), stream(['data: 2\n\n'])],
      { until: '2' },
      1000,
    )
    await run.followed
    expect(run.story).toEqual(['fetch', 'message:1', 'reconnect:truncated:1000', 'fetch:1', 'done'])
  })

  test('the truncation is an error with the response', async () => {
    const answer = stream([])
    const { source } = prepare([answer], { until: '2', retry: false })
    const failure = await source[Symbol.asyncIterator]()
      .next()
      .catch((error) => error)
    expect(failure).toMatchObject({
      code: 'truncated',
      status: 200,
      response: answer,
      attempt: 1,
      message: 'Expected the event that until names, got the end of the stream',
    })
  })

  test('that throws ends the stream with code data, after the events before it', async () => {
    const failure = new Error('of the caller')
    const { source } = prepare([stream(['id: 1\ndata: 1\n\nid: 2\ndata: 2\n\n'])], {
      until: ({ data }) => {
        if (data === '2') throw failure
        return false
      },
    })
    const iterator = source[Symbol.asyncIterator]()
    expect(await iterator.next()).toMatchObject({ value: { data: '1' } })
    await expect(iterator.next()).rejects.toMatchObject({ code: 'data', cause: failure })
    expect(source.lastEventId).toBe('1')
  })

  test('204 completes the stream nevertheless', async () => {
    const run = await play([noContent()], { until: '2' })
    await run.followed
    expect(run.story).toEqual(['fetch', 'done'])
  })
})

describe('decode', () => {
  test('makes data of the text, with the event at hand', async () => {
    const answer = stream(['data: {"a":1}\n\nevent: raw\nid: 7\ndata: x\n\n'])
    const { fetch } = answering(answer, noContent())
    const decoded: unknown[] = []
    const source = events(FEED, {
      fetch,
      onEnd: 'complete',
      decode: (data, { type }) => (type === 'raw' ? data : JSON.parse(data)),
    })
    for await (const event of source) decoded.push(event)
    expect(decoded).toEqual([
      { type: 'message', data: { a: 1 }, lastEventId: '' },
      { type: 'raw', data: 'x', lastEventId: '7' },
    ])
  })

  test('that throws ends the stream with code data, after the events before it', async () => {
    const chunk = 'id: 1\ndata: 1\n\nid: 2\nevent: "x"\ndata: {"secret\n\nid: 3\ndata: 3\n\n'
    const { source, story } = prepare([stream([chunk])], { decode: JSON.parse })
    const seen: unknown[] = []
    const failure = await (async () => {
      for await (const { data } of source) seen.push(data)
    })().catch((error) => error)
    expect(seen).toEqual([1])
    expect(failure).toMatchObject({
      code: 'data',
      attempt: 1,
      message:
        'Expected data that until, decode or schema takes, got other in event 2, of type "\\"x\\""; the cause says why',
    })
    expect(failure.cause).toBeInstanceOf(SyntaxError)
    expect(source.lastEventId).toBe('1')
    expect(story).toEqual(['fetch'])
  })

  test('is not called on the terminal event', async () => {
    const run = await play([stream(['data: 1\n\ndata: [DONE]\n\n'])], {
      decode: JSON.parse,
      until: '[DONE]',
    })
    await run.followed
    expect(run.story).toEqual(['fetch', 'message:1', 'done'])
  })

  test('that fails can be retried by a policy, which gets the event again', async () => {
    const event = 'id: 1\ndata: 1\n\nid: 2\ndata: nonsense\n\n'
    let calls = 0
    const run = await play([stream([event]), noContent()], {
      retry: () => 0,
      decode: () => {
        if (++calls === 2) throw new SyntaxError()
        return 'decoded'
      },
    })
    await run.followed
    expect(run.story).toEqual(['fetch', 'message:decoded', 'reconnect:data:0', 'fetch:1', 'done'])
  })
})

describe('dedupe', () => {
  const ids = (...list: string[]) =>
    stream([list.map((id) => `${id && `id: ${id}\n`}data: ${id || '-'}\n\n`).join('')])
  const told = (story: string[]) => story.filter((line) => line.startsWith('message'))

  test.each<[string, number | undefined, string[], string[], string[]]>([
    ['is off by default', undefined, ['1', '2'], ['2', '3'], ['1', '2', '2', '3']],
    ['drops after a resume what was delivered', 10, ['1', '2'], ['1', '2', '3'], ['1', '2', '3']],
    [
      'remembers as many IDs as it says',
      2,
      ['1', '2', '3'],
      ['1', '2', '3', '4'],
      ['1', '2', '3', '1', '4'],
    ],
    [
      'keeps what has one ID on one connection',
      10,
      ['1', '1', '1'],
      ['2', '2'],
      ['1', '1', '1', '2', '2'],
    ],
    [
      'counts an ID that comes again as the newest',
      2,
      ['1', '2', '1', '3'],
      ['1', '2', '3'],
      ['1', '2', '1', '3', '2'],
    ],
    [
      'never drops an event without an ID of its own',
      10,
      ['1', '', ''],
      ['', '1', ''],
      ['1', '-', '-', '-', '-'],
    ],
  ])('%s', async (_, dedupe, first, second, expected) => {
    const run = await play([ids(...first), ids(...second), noContent()], { dedupe }, 60_000)
    await run.followed
    expect(told(run.story)).toEqual(expected.map((data) => `message:${data}`))
  })

  test('keeps an event that resets the ID, for the empty one is no ID', async () => {
    const answers = [ids('', '1'), stream(['id\ndata: reset\n\n']), noContent()]
    const run = await play(answers, { dedupe: 10 }, 60_000)
    await run.followed
    expect(told(run.story)).toEqual(['message:-', 'message:1', 'message:reset'])
  })

  test('does not hold what was never delivered against it', async () => {
    const { source, story } = prepare([ids('1', '2', '3'), ids('1', '2', '3'), noContent()], {
      dedupe: 10,
    })
    for await (const { data } of source) {
      story.push(`message:${data}`)
      source.close()
    }
    const followed = follow(source, story)
    await vi.advanceTimersByTimeAsync(1000)
    await followed
    expect(told(story)).toEqual(['message:1', 'message:2', 'message:3'])
  })

  test('a server that replays and drops makes no progress', async () => {
    const run = await play([ids('1'), ids('1'), ids('1'), ids('1')], { dedupe: 10 }, 60_000)
    expect(run.story.slice(0, 9)).toEqual([
      'fetch',
      'message:1',
      'reconnect:end:1000',
      'fetch:1',
      'reconnect:end:2000',
      'fetch:1',
      'reconnect:end:4000',
      'fetch:1',
      'reconnect:end:8000',
    ])
    await stop(run)
  })

  test('moves the last event ID past what it drops', async () => {
    const run = await play([ids('1', '2'), ids('1', '2'), noContent()], { dedupe: 10 }, 60_000)
    await run.followed
    expect(run.requests.map(idOf)).toEqual([null, '2', '2'])
  })
})

describe('the last event ID', () => {
  test.each<[string, string, string | null]>([
    ['nothing', '', null],
    ['plain text', '7', '7'],
    ['more than Latin-1, as the bytes of its UTF-8', '…é', '\u00e2\u0080\u00a6\u00c3\u00a9'],
    ['half a surrogate pair, as the replacement character', '\ud800', '\u00ef\u00bf\u00bd'],
    ['a tab', 'a\tb', 'a\tb'],
    ['a control character, which HTTP cannot carry', 'a\x07b', null],
    ['NUL', 'a\0b', null],
    ['DEL', 'a\x7f', null],
    ['a line break', 'a\r\nb', null],
  ])('seeded with %s is sent as %j', async (_, lastEventId, sent) => {
    const run = await play([noContent()], { lastEventId })
    await run.followed
    expect(run.requests.map(idOf)).toEqual([sent])
    expect(run.source.lastEventId).toBe(lastEventId)
  })

  test.each([
    [4095, 4095],
    [4098, undefined],
    [600_000, undefined],
  ])(
    'of %i bytes does not stop the reconnect, and is sent if servers take it',
    async (size, sent) => {
      const id = '…'.repeat(size / 3)
      const run = await play([stream([`id: ${id}\ndata: 1\n\n`]), noContent()], {}, 1000)
      await run.followed
      expect(run.requests[1]?.headers.get('last-event-id')?.length).toBe(sent)
    },
  )

  test.each(['a\x01b', '   ', 'x'.repeat(5000)])(
    'that cannot be sent back does not make a POST be repeated (%j)',
    async (id) => {
      const cut = stream([`id: ${id}\ndata: 1\n\n`], reset())
      const run = await play([cut], { method: 'POST' }, 60_000)
      await run.followed
      expect(run.story).toEqual(['fetch', 'message:1', 'throws:network'])
    },
  )

  test('that HTTP cannot carry does not stop the reconnect', async () => {
    const run = await play([stream(['id: \x01\ndata: 1\n\n']), noContent()], {}, 1000)
    await run.followed
    expect(run.story).toEqual(['fetch', 'message:1', 'reconnect:end:1000', 'fetch', 'done'])
    expect(run.source.lastEventId).toBe('\x01')
  })

  test('is carried over a connection that brings none, and reset by an empty one', async () => {
    const answers = [
      stream(['id: 7\ndata: 1\n\n']),
      stream(['data: 2\n\n']),
      stream(['id\ndata: 3\n\n']),
    ]
    const seen: string[] = []
    const { source, requests } = prepare([...answers, noContent()], { retry: { delay: 0 } })
    const followed = (async () => {
      for await (const { data, lastEventId } of source) seen.push(`${data}@${lastEventId}`)
    })()
    await vi.advanceTimersByTimeAsync(10)
    await followed
    expect(seen).toEqual(['1@7', '2@7', '3@'])
    expect(requests.map(idOf)).toEqual([null, '7', '7', null])
  })

  test('moves with a block that is no event', async () => {
    const run = await play([stream(['data: 1\n\nid: 8\n\n']), noContent()], {}, 1000)
    await run.followed
    expect(run.story).toEqual(['fetch', 'message:1', 'reconnect:end:1000', 'fetch:8', 'done'])
  })

  test('takes the place of a header of the caller once the stream has one', async () => {
    const headers = { 'Last-Event-ID': 'own' }
    const run = await play([stream(['id: 7\ndata: 1\n\n']), noContent()], { headers }, 1000)
    await run.followed
    expect(run.requests.map(idOf)).toEqual(['own', '7'])
  })
})

describe('the reconnection time', () => {
  test('is 1000 until retry changes it, and outlives the stream', async () => {
    const run = await play([stream(['retry: 5000\n\n']), noContent()])
    expect(run.source.reconnectionTime).toBe(5000)
    await vi.advanceTimersByTimeAsync(5000)
    await run.followed
    expect(run.story).toEqual(['fetch', 'reconnect:end:5000', 'fetch', 'done'])
    expect(run.source.reconnectionTime).toBe(5000)
    expect(prepare([]).source.reconnectionTime).toBe(1000)
  })
})

describe('timeouts', () => {
  test('connectTimeout gives up an attempt without headers', async () => {
    const run = await play(['silence', noContent()], { connectTimeout: 5000 }, 4999)
    expect(run.story).toEqual(['fetch'])
    await vi.advanceTimersByTimeAsync(1)
    expect(run.requests[0]?.signal?.aborted).toBe(true)
    await vi.advanceTimersByTimeAsync(1000)
    await run.followed
    expect(run.story).toEqual(['fetch', 'reconnect:timeout:1000', 'fetch', 'done'])
  })

  test('connectTimeout is over with the headers', async () => {
    const run = await play([live().response], { connectTimeout: 5000 }, 60_000)
    expect([run.source.status, ...run.story]).toEqual(['open', 'fetch'])
    await stop(run)
  })

  test('idleTimeout gives up a silent connection', async () => {
    const body = live()
    const run = await play([body.response, noContent()], { idleTimeout: 5000 }, 3000)
    body.write('data: 1\n\n')
    await vi.advanceTimersByTimeAsync(4999)
    expect(run.story).toEqual(['fetch', 'message:1'])
    await vi.advanceTimersByTimeAsync(1)
    await body.cancelled
    await vi.advanceTimersByTimeAsync(1000)
    await run.followed
    expect(run.story).toEqual(['fetch', 'message:1', 'reconnect:idle:1000', 'fetch', 'done'])
  })

  test('a policy is shown the response of a connection that fell silent', async () => {
    const answer = live().response
    const responses: unknown[] = []
    const run = await play(
      [answer],
      {
        idleTimeout: 5000,
        retry: ({ response }) => {
          responses.push(response)
          return false
        },
      },
      5000,
    )
    await run.followed
    expect(responses).toEqual([answer])
    expect(run.story).toEqual(['fetch', 'throws:idle'])
  })

  test('a comment, or any byte, is a sign of life', async () => {
    const body = live()
    const run = await play([body.response], { idleTimeout: 5000 }, 4000)
    for (const bytes of [':\n', '\n', ': still here\n\n', 'd']) {
      body.write(bytes)
      await vi.advanceTimersByTimeAsync(4000)
    }
    expect(run.story).toEqual(['fetch'])
    await stop(run)
  })

  test('a slow consumer is not taken for a silent server', async () => {
    const { source, story } = prepare([stream(['data: 1\n\n', 'data: 2\n\n'], 'stall')], {
      idleTimeout: 5000,
    })
    const iterator = source[Symbol.asyncIterator]()
    await iterator.next()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(await iterator.next()).toMatchObject({ value: { data: '2' } })
    expect([source.status, ...story]).toEqual(['open', 'fetch'])
    source.close()
  })

  test('one timer does for all chunks', async () => {
    const set = vi.spyOn(globalThis, 'setTimeout')
    const body = live()
    const run = await play([body.response], { idleTimeout: 5000 })
    for (let chunk = 0; chunk < 20; chunk++) {
      body.write('data: 1\n\n')
      await settled()
    }
    expect(run.story.length).toBe(21)
    expect(set.mock.calls.filter(([, delay]) => delay === 5000).length).toBe(1)
    await stop(run)
  })
})

describe('maxEventSize', () => {
  test('ends the stream on an event over it, after the events before it, without a retry', async () => {
    const chunk = `data: 1\n\ndata: ${'x'.repeat(100)}\n\n`
    const run = await play([stream([chunk])], { maxEventSize: 50 })
    await run.followed
    expect(run.story).toEqual(['fetch', 'message:1', 'throws:too-large'])
  })
})

describe('the observers', () => {
  test('onOpen gets each response before its events', async () => {
    const answers = [stream(['data: 1\n\n']), stream(['data: 2\n\n'])]
    const opened: unknown[] = []
    const { source, story } = prepare([...answers, noContent()], {
      async onOpen(response) {
        opened.push(response)
        story.push('open')
      },
    })
    const followed = follow(source, story)
    await vi.advanceTimersByTimeAsync(2000)
    await followed
    expect(opened).toEqual(answers)
    expect(story).toEqual([
      'fetch',
      'open',
      'message:1',
      'reconnect:end:1000',
      'fetch',
      'open',
      'message:2',
      'reconnect:end:1000',
      'fetch',
      'done',
    ])
  })

  test('a throw in onOpen refuses the response, for good', async () => {
    const cause = new Error('not ours')
    const body = live()
    const { source, story } = prepare([body.response], { onOpen: () => Promise.reject(cause) })
    const failure = await source[Symbol.asyncIterator]()
      .next()
      .catch((error) => error)
    expect(failure).toMatchObject({ code: 'refused', cause, response: body.response, status: 200 })
    await body.cancelled
    expect(story).toEqual(['fetch'])
  })

  test('onReconnect is told why, when and after which attempt', async () => {
    const told: unknown[] = []
    const run = await play(
      [status(503), stream(['data: 1\n\n']), noContent()],
      {
        onReconnect: (reconnect) => told.push(reconnect),
      },
      60_000,
    )
    await run.followed
    expect(told).toEqual([
      { error: expect.objectContaining({ code: 'status', status: 503 }), delay: 1000, attempt: 1 },
      { error: undefined, delay: 1000, attempt: 2 },
    ])
  })

  test('a throw in onReconnect ends the stream with it', async () => {
    const failure = new Error('of the caller')
    const { source } = prepare([status(503)], {
      onReconnect: () => {
        throw failure
      },
    })
    await expect(source[Symbol.asyncIterator]().next()).rejects.toBe(failure)
    expect(source.status).toBe('closed')
  })

  test('onComment gets the text of each comment, in its place', async () => {
    const { source, story } = prepare([stream([': a\ndata: 1\n\n:b\n:\n']), noContent()], {
      onComment: (text) => story.push(`comment:${text}`),
      onEnd: 'complete',
    })
    await follow(source, story)
    expect(story).toEqual(['fetch', 'comment:a', 'comment:b', 'comment:', 'message:1', 'done'])
  })
})

describe('204', () => {
  test.each<[string, EventsOptions]>([
    ['by default', {}],
    ['with a policy that would retry it', { retry: () => 0 }],
    ['with a list of statuses that has it', { retry: { statuses: [204] } }],
    ['of a POST', { method: 'POST' }],
  ])('ends the stream without an error, %s', async (_, options) => {
    const run = await play(
      [stream(['data: 1\n\n']), noContent()],
      { onEnd: 'reconnect', ...options },
      60_000,
    )
    await run.followed
    expect(run.story.filter((line) => !line.startsWith('reconnect'))).toEqual([
      'fetch',
      'message:1',
      'fetch',
      'done',
    ])
    expect(run.source.status).toBe('closed')
  })
})

describe('a policy of the caller', () => {
  test('is asked after each failure and each clean end, with all there is to know', async () => {
    const contexts: RetryContext[] = []
    const cut = reset()
    const refused = status(503, { 'retry-after': '9' })
    const answers = [
      refused,
      stream(['retry: 400\nid: 7\ndata: 1\n\n'], cut),
      stream([]),
      cut,
      noContent(),
    ]
    const run = await play(
      answers,
      {
        retry: (context) => {
          contexts.push(context)
          return context.attempt * 10
        },
      },
      1000,
    )
    await run.followed
    expect(run.story).toEqual([
      'fetch',
      'reconnect:503:10',
      'fetch',
      'message:1',
      'reconnect:network:20',
      'fetch:7',
      'reconnect:end:30',
      'fetch:7',
      'reconnect:network:40',
      'fetch:7',
      'done',
    ])
    const network = { code: 'network', cause: cut }
    expect(contexts).toMatchObject([
      {
        attempt: 1,
        failures: 1,
        delay: 9000,
        lastEventId: '',
        response: refused,
        error: { status: 503 },
      },
      {
        attempt: 2,
        failures: 1,
        delay: 400,
        lastEventId: '7',
        response: answers[1],
        error: network,
      },
      {
        attempt: 3,
        failures: 2,
        delay: 800,
        lastEventId: '7',
        response: answers[2],
        error: undefined,
      },
      {
        attempt: 4,
        failures: 3,
        delay: 1600,
        lastEventId: '7',
        response: undefined,
        error: network,
      },
    ])
  })

  test.each<[string, RetryPolicy]>([
    ['false', () => false],
    ['a promise of false', () => Promise.resolve(false as const)],
  ])('that returns %s ends the stream with the error', async (_, retry) => {
    const run = await play([status(503)], { retry })
    await run.followed
    expect(run.story).toEqual(['fetch', 'throws:status'])
  })

  test('that returns false at a clean end completes the stream', async () => {
    const run = await play([stream(['data: 1\n\n'])], { retry: () => false })
    await run.followed
    expect(run.story).toEqual(['fetch', 'message:1', 'done'])
  })

  test('may retry what the built-in one does not', async () => {
    const run = await play(
      [status(404), stream([], reset()), noContent()],
      { retry: async () => 5 },
      10,
    )
    await run.followed
    expect(run.story).toEqual([
      'fetch',
      'reconnect:404:5',
      'fetch',
      'reconnect:network:5',
      'fetch',
      'done',
    ])
  })

  test.each([
    ['undefined', undefined],
    ['null', null],
    ['true', true],
    ['NaN', Number.NaN],
    ['-1', -1],
    ['10', '10'],
  ])('that returns %s is told what to return', async (name, answer) => {
    const { source } = prepare([status(503)], { retry: (() => answer) as never })
    await expect(source[Symbol.asyncIterator]().next()).rejects.toThrow(
      new TypeError(`Expected retry to return milliseconds or false, got ${name}`),
    )
  })

  test.each(['throws', 'rejects'])('that %s ends the stream with that', async (way) => {
    const failure = new Error('of the caller')
    const retry = () => {
      if (way === 'throws') throw failure
      return Promise.reject(failure)
    }
    const { source } = prepare([status(503)], { retry })
    await expect(source[Symbol.asyncIterator]().next()).rejects.toBe(failure)
  })

  test('is not asked about the end that close() or an abort makes', async () => {
    const asked: unknown[] = []
    const run = await play([live().response], {
      retry: (context) => {
        asked.push(context)
        return 0
      },
    })
    await stop(run)
    expect(asked).toEqual([])
  })
})

describe('the count of failures', () => {
  const retry = { maxRetries: 2 }
  const failing = (count: number) => Array.from({ length: count }, reset)

  test('over maxRetries throws the last real error, itself', async () => {
    const last = status(500)
    const { source, story } = prepare([reset(), status(503), last], { retry })
    const iterator = source[Symbol.asyncIterator]()
    const failed = iterator.next().catch((error) => error)
    await vi.advanceTimersByTimeAsync(3000)
    const failure = await failed
    expect(failure).toBeInstanceOf(SseError)
    expect(failure).toMatchObject({ code: 'status', status: 500, response: last, attempt: 3 })
    expect(story).toEqual([
      'fetch',
      'reconnect:network:1000',
      'fetch',
      'reconnect:503:2000',
      'fetch',
    ])
  })

  test('starts afresh with an event', async () => {
    const answers = [...failing(2), stream(['data: 1\n\n'], reset()), ...failing(2)]
    const run = await play(answers, { retry }, 60_000)
    await run.followed
    expect(run.story).toEqual([
      'fetch',
      'reconnect:network:1000',
      'fetch',
      'reconnect:network:2000',
      'fetch',
      'message:1',
      'reconnect:network:1000',
      'fetch',
      'reconnect:network:2000',
      'fetch',
      'throws:network',
    ])
  })

  test('goes on over connections that open and drop, with comments or without', async () => {
    const answers = [stream([': hi\n\n']), stream([], reset()), stream([])]
    const run = await play(answers, { retry }, 60_000)
    await run.followed
    expect(run.story).toEqual([
      'fetch',
      'reconnect:end:1000',
      'fetch',
      'reconnect:network:2000',
      'fetch',
      'done',
    ])
  })

  test.each<[number, number | undefined, number]>([
    [59_999, undefined, 2000],
    [60_000, undefined, 1000],
    [4999, 5000, 2000],
    [5000, 5000, 1000],
  ])(
    'after %d ms of an open stream, with resetAfter %s, waits %d',
    async (open, resetAfter, expected) => {
      const body = live()
      const run = await play([reset(), body.response], { retry: { resetAfter } }, 1000)
      await vi.advanceTimersByTimeAsync(open)
      body.fail(reset())
      await settled()
      expect(run.story.at(-1)).toBe(`reconnect:network:${expected}`)
      await stop(run)
    },
  )

  test('does not start afresh with a long wait for headers', async () => {
    const run = await play([reset(), 'silence'], { connectTimeout: 100_000 }, 101_000)
    expect(run.story).toEqual([
      'fetch',
      'reconnect:network:1000',
      'fetch',
      'reconnect:timeout:2000',
    ])
    await stop(run)
  })
})

describe('the wait', () => {
  test('is never shorter than Retry-After', async () => {
    const run = await play([status(429, { 'retry-after': '120' }), noContent()], {}, 119_999)
    expect([run.source.status, ...run.story]).toEqual(['waiting', 'fetch', 'reconnect:429:120000'])
    await vi.advanceTimersByTimeAsync(1)
    await run.followed
    expect(run.story.slice(2)).toEqual(['fetch', 'done'])
  })

  test('is spread over as much again', async () => {
    vi.mocked(Math.random).mockReturnValue(0.5)
    const run = await play([reset(), noContent()], {}, 1499)
    expect(run.story).toEqual(['fetch', 'reconnect:network:1500'])
    await vi.advanceTimersByTimeAsync(1)
    await run.followed
  })
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
      const { source, story } = prepare([], {
        signal: control.signal,
        headers: () => {
          story.push('headers')
          return {}
        },
      })
      for (const _ of [1, 2]) {
        const iterator = source[Symbol.asyncIterator]()
        const thrown = await iterator.next().then(
          () => 'nothing',
          (error) => [error],
        )
        expect(thrown).toEqual([control.signal.reason])
        expect(await iterator.next()).toEqual({ done: true, value: undefined })
      }
      expect([source.status, ...story]).toEqual(['closed'])
    },
  )

  test.each(reasons)('aborted while open with %o rejects with just that', async (reason) => {
    const control = new AbortController()
    const { source } = prepare([live().response], { signal: control.signal })
    const thrown = source[Symbol.asyncIterator]()
      .next()
      .then(
        () => 'nothing',
        (error) => [error],
      )
    await settled()
    control.abort(reason)
    expect((await thrown)[0]).toBe(control.signal.reason)
  })

  test('keeps no listener of a stream that has ended, whatever way', async () => {
    const control = new AbortController()
    const { signal } = control
    let listeners = 0
    const add = vi.spyOn(signal, 'addEventListener').mockImplementation(() => void listeners++)
    const remove = vi
      .spyOn(signal, 'removeEventListener')
      .mockImplementation(() => void listeners--)
    for (const answers of [[noContent()], [status(404)], [status(503), stream([]), status(404)]]) {
      const run = await play(answers, { signal }, 60_000)
      await run.followed
      expect(listeners).toBe(0)
    }
    expect(add.mock.calls.length).toBe(3)
    expect(remove.mock.calls.length).toBe(3)
  })
})

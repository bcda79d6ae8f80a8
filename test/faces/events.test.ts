import { describe, expect, test, vi } from 'vitest'
import { type EventStream, events } from '../../src/faces/events'
import { type Answer, answering, follow } from '../support/fetch'
import {
  type AnyOptions,
  FEED,
  failureOf,
  idOf,
  noContent,
  ownTheClock,
  play,
  prepare,
  reset,
  settled,
  status,
  stop,
  storyOf,
} from '../support/play'
import { live, stream } from '../support/response'

ownTheClock()

describe('laziness', () => {
  test('nothing is sent before the first next()', async () => {
    const { source, story } = prepare([noContent()])
    const iterator = source[Symbol.asyncIterator]()
    source.batches()[Symbol.asyncIterator]()
    await settled()
    expect([source.status, ...story]).toEqual(['idle'])
    const { next } = source[Symbol.asyncIterator]()
    await next()
    expect(story).toEqual(['fetch'])
    await iterator.return()
  })

  test('what is not asked for is neither read nor parsed', async () => {
    const pulls: number[] = []
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          pulls.push(pulls.length + 1)
          const data = `data: ${pulls.length}a\n\ndata: ${pulls.length}b\n\n`
          controller.enqueue(new TextEncoder().encode(data))
        },
      },
      { highWaterMark: 0 },
    )
    const headers = { 'content-type': 'text/event-stream' }
    const decoded: string[] = []
    const decode = (data: string) => {
      decoded.push(data)
      return data
    }
    const { source } = prepare([new Response(body, { headers })], { decode })
    const iterator = source[Symbol.asyncIterator]()
    for (const [reads, parsed] of [
      [1, ['1a']],
      [1, ['1a', '1b']],
      [2, ['1a', '1b', '2a']],
    ]) {
      await iterator.next()
      await settled()
      expect([pulls.length, decoded]).toEqual([reads, parsed])
    }
    source.close()
  })
})

describe('one consumer at a time', () => {
  const refusal = new TypeError(
    'Expected one consumer at a time, got a second. Close the stream first, or call events() again',
  )

  test('a second one is refused while the first runs, of either kind', async () => {
    const run = await play(['silence'])
    expect(() => run.source[Symbol.asyncIterator]()).toThrow(refusal)
    expect(() => run.source.batches()).toThrow(refusal)
    await stop(run)
  })

  test('of two that are made, the one that starts second is refused, by a rejection', async () => {
    const { source, story } = prepare([stream(['data: 1\n\n']), noContent()])
    const first = source[Symbol.asyncIterator]()
    const second = source[Symbol.asyncIterator]()
    expect(await first.next()).toMatchObject({ value: { data: '1' } })
    expect(await failureOf(second.next())).toEqual(refusal)
    source.close()
    expect(await first.next()).toEqual({ done: true, value: undefined })
    expect(story).toEqual(['fetch'])
  })

  test('one that was returned before it started leaves the way free', async () => {
    const { source, story } = prepare([noContent()])
    const unused = source[Symbol.asyncIterator]()
    await unused.return()
    expect(await unused.next()).toEqual({ done: true, value: undefined })
    expect(story).toEqual([])
    await follow(source, story)
    expect(story).toEqual(['fetch', 'done'])
  })

  test('one that has ended stays ended, and disturbs nobody, while the next one runs', async () => {
    const { source } = prepare([stream(['data: 1\n\n'], 'stall'), stream(['data: 2\n\n'], 'stall')])
    const first = source[Symbol.asyncIterator]()
    await first.next()
    await first.return()
    const second = source[Symbol.asyncIterator]()
    expect(await second.next()).toMatchObject({ value: { data: '2' } })
    expect(await first.next()).toEqual({ done: true, value: undefined })
    expect(await first.return()).toEqual({ done: true, value: undefined })
    expect(source.status).toBe('open')
    source.close()
  })
})

describe('an iterator', () => {
  test('is iterable itself: a loop goes on with what a next() has begun', async () => {
    for (const lane of ['events', 'batches']) {
      const { source } = prepare([stream(['data: 1\n\n', 'data: 2\n\n', 'data: 3\n\n'])], {
        onEnd: 'complete',
      })
      const iterator = lane === 'events' ? source[Symbol.asyncIterator]() : source.batches()
      expect(iterator[Symbol.asyncIterator]()).toBe(iterator)
      await iterator.next()
      const rest: unknown[] = []
      for await (const value of iterator) rest.push(...[value].flat().map(({ data }) => data))
      expect(rest).toEqual(['2', '3'])
    }
  })

  test('does nothing more after its end, whatever is asked of it', async () => {
    const { source, story } = prepare([noContent()])
    const iterator = source[Symbol.asyncIterator]()
    for (const _ of [1, 2, 3])
      expect(await iterator.next()).toEqual({ done: true, value: undefined })
    await iterator.return()
    expect(story).toEqual(['fetch'])
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
        'a break out of batches(), with all of the batch delivered',
        stream([chunk]),
        async (source) => {
          for await (const batch of source.batches()) if (batch.length === 2) break
        },
        '8',
      ],
    ]

  test.each(ends)('%s', async (_, answer, end, id) => {
    const options: AnyOptions = { onEnd: 'complete', maxEventSize: 15, retry: false }
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

  test('and waits as long as the server asked of the one before', async () => {
    const { source, story } = prepare([stream(['retry: 7000\n\n']), reset(), noContent()], {
      onEnd: 'complete',
    })
    await follow(source, story)
    expect(source.reconnectionTime).toBe(7000)
    const followed = follow(source, story)
    await vi.advanceTimersByTimeAsync(7000)
    await followed
    expect(story).toEqual(['fetch', 'done', 'fetch', 'reconnect:network:7000', 'fetch', 'done'])
  })
})

describe('status, and what goes with it', () => {
  test('idle, connecting, open, waiting, connecting, open, closed', async () => {
    const answers = [stream(['data: 1\n\n']), stream(['data: 2\n\n'], 'stall')]
    const seen: unknown[] = []
    const look = (at: string): void => {
      const { status, response, retryAt, failures, attempt } = source
      seen.push([at, status, answers.indexOf(response as Response) + 1, retryAt, failures, attempt])
    }
    const { fetch } = answering(...answers)
    const source: EventStream = events(FEED, {
      headers: () => {
        look('headers')
        return {}
      },
      fetch(url, init) {
        look('fetch')
        return fetch(url, init as RequestInit)
      },
      onOpen: () => look('onOpen'),
      onReconnect: () => look('onReconnect'),
    })
    const due = Date.now() + 1000
    look('made')
    const iterator = source[Symbol.asyncIterator]()
    await iterator.next()
    look('event')
    const next = iterator.next()
    await settled()
    look('between')
    await vi.advanceTimersByTimeAsync(1000)
    await next
    look('event')
    source.close()
    look('closed')
    expect(seen).toEqual([
      ['made', 'idle', 0, undefined, 0, 0],
      ['headers', 'connecting', 0, undefined, 0, 1],
      ['fetch', 'connecting', 0, undefined, 0, 1],
      ['onOpen', 'connecting', 0, undefined, 0, 1],
      ['event', 'open', 1, undefined, 0, 1],
      ['onReconnect', 'waiting', 0, due, 1, 1],
      ['between', 'waiting', 0, due, 1, 1],
      ['headers', 'connecting', 0, undefined, 1, 2],
      ['fetch', 'connecting', 0, undefined, 1, 2],
      ['onOpen', 'connecting', 0, undefined, 1, 2],
      ['event', 'open', 2, undefined, 1, 2],
      ['closed', 'closed', 0, undefined, 1, 2],
    ])
  })

  test('waiting, without a time, while a policy is thinking', async () => {
    let answer!: (delay: number) => void
    const retry = () => new Promise<number>((resolve) => (answer = resolve))
    const run = await play([status(503), noContent()], { retry })
    expect([run.source.status, run.source.retryAt]).toEqual(['waiting', undefined])
    answer(5000)
    await settled()
    expect([run.source.status, run.source.retryAt]).toEqual(['waiting', Date.now() + 5000])
    await stop(run)
  })

  test('"reconnecting in 5 s (3rd try)" can be shown', async () => {
    const { source, story } = prepare([reset(), reset(), reset()], {
      retry: { delay: 5000, factor: 1 },
    })
    const followed = follow(source, story)
    await vi.advanceTimersByTimeAsync(5000)
    const { status, retryAt, failures, attempt } = source
    expect([status, (retryAt as number) - Date.now(), failures, attempt]).toEqual([
      'waiting',
      5000,
      2,
      2,
    ])
    source.close()
    await followed
  })

  test('a stream is closed by the time its failure is seen', async () => {
    const { source } = prepare([status(404)])
    const failed = source[Symbol.asyncIterator]()
      .next()
      .catch(() => [source.status, source.response])
    expect(await failed).toEqual(['closed', undefined])
  })

  test('nothing is shown of the options when a stream is printed', async () => {
    const { inspect } = await import('node:util')
    const source = events(FEED, { headers: { Authorization: 'Bearer secret' } })
    expect(inspect(source, { depth: 9, showHidden: true })).not.toMatch(/secret|_/)
    expect(JSON.stringify(source)).toBe('{}')
  })
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
        expect(await iterator.return()).toEqual({ done: true, value: undefined })
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
      results.push([call, done || value?.data])
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

  test('a call that comes between two others is answered after both', async () => {
    for (const chunks of [['data: a\n\ndata: b\n\ndata: c\n\ndata: d\n\n'], ['a', 'b', 'c', 'd']]) {
      const wire = chunks.map((chunk) => (chunk.length > 1 ? chunk : `data: ${chunk}\n\n`))
      const { source } = prepare([stream(wire, 'stall')])
      const iterator = source[Symbol.asyncIterator]()
      const results: string[] = []
      const take = async (call: string) => {
        results.push(call + (await iterator.next()).value?.data)
      }
      // Whoever waits for the first hears of it before the second is on its way.
      const first = iterator.next()
      const third = first.then(() => take('third:'))
      await Promise.all([take('second:'), first, third, take('between:')])
      expect(results).toEqual(['second:b', 'between:c', 'third:d'])
      source.close()
    }
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

  test('of calls that overlap, all end with close()', async () => {
    const { source } = prepare([live().response])
    const iterator = source[Symbol.asyncIterator]()
    const calls = [iterator.next(), iterator.next(), iterator.next()]
    await settled()
    source.close()
    for (const call of calls) expect(await call).toEqual({ done: true, value: undefined })
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

  test('have nothing empty: a chunk of the terminal event alone makes none', async () => {
    const { source } = prepare([stream(['data: 1\n\n', 'data: end\n\n'])], { until: 'end' })
    const sizes: number[] = []
    for await (const batch of source.batches()) sizes.push(batch.length)
    expect(sizes).toEqual([1])
  })

  test('answers calls that overlap in their order, to the end', async () => {
    const chunks = ['data: 1\n\n', 'data: 2\n\ndata: end\n\n']
    const { source } = prepare([stream(chunks)], { until: 'end' })
    const iterator = source.batches()
    const results = await Promise.all([iterator.next(), iterator.next(), iterator.next()])
    expect(results).toMatchObject([
      { value: [{ data: '1' }] },
      { value: [{ data: '2' }] },
      { done: true },
    ])
  })

  test('rejects with what ended the stream, after the events before it', async () => {
    const { source } = prepare([stream(['data: 1\n\n'], reset())], { retry: false })
    const iterator = source.batches()
    expect(await iterator.next()).toMatchObject({ value: [{ data: '1' }] })
    expect(await failureOf(iterator.next())).toMatchObject({ code: 'network' })
    expect(await iterator.next()).toMatchObject({ done: true })
  })

  test('gives the events of a chunk before the one that is too large', async () => {
    const { source } = prepare([stream([`data: 1\n\ndata: 2\n\ndata: ${'x'.repeat(9)}\n\n`])], {
      maxEventSize: 8,
    })
    const iterator = source.batches()
    expect((await iterator.next()).value?.map(({ data }) => data)).toEqual(['1', '2'])
    expect(await failureOf(iterator.next())).toMatchObject({ code: 'too-large' })
  })
})

describe('maxEventSize', () => {
  test('ends the stream on an event over it, after the events before it, without a retry', async () => {
    const chunk = `data: 1\n\ndata: ${'x'.repeat(51)}\n\n`
    expect(await storyOf([stream([chunk])], { maxEventSize: 50 })).toEqual([
      'fetch',
      'message:1',
      'throws:too-large',
    ])
  })

  test('lets an event of exactly that size pass', async () => {
    const chunk = `data: ${'x'.repeat(50)}\n\n`
    const { source } = prepare([stream([chunk])], { maxEventSize: 50 })
    const { value } = await source[Symbol.asyncIterator]().next()
    expect(value?.data.length).toBe(50)
    source.close()
  })
})

describe('a flood', () => {
  test('yields to the event loop, and loses nothing over it', async () => {
    const { source } = prepare([stream(Array.from({ length: 500 }, (_, i) => `data: ${i}\n\n`))], {
      onEnd: 'complete',
    })
    // Each look at the clock is 25 ms later.
    let now = Date.now()
    vi.spyOn(Date, 'now').mockImplementation(() => (now += 25))
    let turns = 0
    let running = true
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = () => {
      turns++
      if (running) port2.postMessage(0)
      else port1.close()
    }
    port2.postMessage(0)
    let count = 0
    for await (const { data } of source) expect(data).toBe(`${count++}`)
    running = false
    expect(count).toBe(500)
    expect(turns).toBeGreaterThan(4)
  })
})

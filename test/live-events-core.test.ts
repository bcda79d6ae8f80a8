import { describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  LiveEvents,
  type LiveInput,
  type LiveRequest,
  requestKey,
  type UseEventsOptions,
} from '../src/live-events'
import type { ServerSentEvent } from '../src/parser'
import { type Answer, answering } from './support/fetch'
import { live as liveResponse, stream } from './support/response'
import { serve } from './support/server'
import { uncaught } from './support/uncaught'

type Options = UseEventsOptions<ServerSentEvent<string, never>, never, unknown>

const FEED = 'https://example.com/feed'

/** A stream with a listener that writes down each state it is told of, once. */
function create(input: LiveInput, options: object = {}) {
  const latest = { input, options } as LiveRequest
  const wanted = latest.options.immediate !== false
  const live = new LiveEvents<ServerSentEvent, unknown>(requestKey(latest), latest, wanted)
  const story: string[] = []
  const listen = () => {
    const { status, error, events, lastEventId } = live.read()
    const list = Array.isArray(events) ? events.map(({ data }) => data).join() : events
    const why = error && ('code' in error ? error.code : error.message)
    story.push(
      [status, why && `error:${why}`, list, lastEventId && `id:${lastEventId}`]
        .filter(Boolean)
        .join(' '),
    )
  }
  const leave = live.subscribe(listen)
  onTestFinished(() => leave())
  return {
    live,
    story,
    leave,
    listen,
    told: () => vi.waitFor(() => expect(story.length).toBeGreaterThan(0)),
  }
}

/** The same, over a faked `fetch`. */
function play(answers: Answer[], options: object = {}) {
  const { fetch, requests } = answering(...answers)
  return { ...create(FEED, { fetch, retry: { delay: 1, jitter: 0 }, ...options }), requests }
}

const until = (live: LiveEvents<never, unknown> | { read(): { status: string } }, status: string) =>
  vi.waitFor(() => expect(live.read().status).toBe(status), { interval: 1 })
const resumedFrom = ({ headers }: { headers: Headers }) => headers.get('last-event-id')

describe('the story of a stream', () => {
  test('nothing is requested before someone subscribes, and the socket goes with the subscription', async () => {
    let requests = 0
    const server = await serve((_, response) => {
      requests++
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: 1\n\n')
    })
    const latest: LiveRequest = { input: server.url, options: {} as Options }
    const live = new LiveEvents(requestKey(latest), latest, true)
    expect(live.read().status).toBe('idle')
    await new Promise((resolve) => setImmediate(resolve))
    expect(requests).toBe(0)
    const leave = live.subscribe(() => {})
    expect(live.read().status).toBe('connecting')
    await vi.waitFor(() => expect(live.read().data).toBe('1'))
    leave()
    expect(live.read().status).toBe('closed')
    await server.socketsToBe(0)
    expect(requests).toBe(1)
  })

  test('every status is told, with what ended the last attempt until the next is open', async () => {
    const { live, story } = play([
      stream(['id: 1\ndata: a\n\n'], new Error('cut')),
      new TypeError('fetch failed'),
      stream(['id: 2\ndata: b\n\n']),
      new Response(null, { status: 403 }),
    ])
    await until(live, 'closed')
    expect(story).toEqual([
      'connecting',
      'open',
      'open a id:1',
      'waiting error:network a id:1',
      'connecting error:network a id:1',
      'waiting error:network a id:1',
      'connecting error:network a id:1',
      'open a id:1',
      'open a,b id:2',
      // A clean end is no error.
      'waiting a,b id:2',
      'connecting a,b id:2',
      'closed error:status a,b id:2',
    ])
  })

  test('a 401 that fresh headers answer is the error while the next attempt connects', async () => {
    const { live, story } = play([new Response(null, { status: 401 }), stream([], 'stall')], {
      headers: () => ({}),
    })
    await until(live, 'open')
    expect(story).toEqual(['connecting', 'connecting error:status', 'open'])
  })

  test('a 204 is an end without an error', async () => {
    const { live, story } = play([new Response(null, { status: 204 })])
    await until(live, 'closed')
    expect(story).toEqual(['connecting', 'closed'])
  })

  test('the caller’s signal ends it without an error', async () => {
    const abort = new AbortController()
    const { live, story } = play([stream(['data: a\n\n'], 'stall')], { signal: abort.signal })
    await vi.waitFor(() => expect(live.read().data).toBe('a'))
    abort.abort()
    await until(live, 'closed')
    expect(story).toEqual(['connecting', 'open', 'open a', 'closed a'])
  })

  test('a close() at any moment of the opening is the last word', async () => {
    for (let moment = 0; moment < 30; moment++) {
      const { live, story } = play([stream(['data: a\n\n'], 'stall')], {
        async onOpen() {
          setImmediate(() => story.push('over'))
          void (async () => {
            for (let turn = 0; turn < moment; turn++) await undefined
            live.close()
          })()
        },
      })
      await vi.waitFor(() => expect(story.at(-1)).toBe('over'), { interval: 1 })
      expect(story.at(-2)).toMatch(/^closed/)
      expect(story.filter((line) => line.startsWith('closed')).length).toBe(1)
    }
  })

  test('after close() nothing more comes, and what has come stays', async () => {
    const feed = liveResponse()
    const { live, story } = play([feed.response])
    await until(live, 'open')
    feed.write('data: a\n\n')
    await vi.waitFor(() => expect(live.read().data).toBe('a'))
    live.close()
    await feed.cancelled
    live.close()
    expect(story).toEqual(['connecting', 'open', 'open a', 'closed a'])
  })
})

describe('the events', () => {
  const numbers = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, index) => `data: ${from + index}\n\n`).join('')

  test.each([
    [undefined, 100],
    [2, 2],
    [0, 0],
    [Number.POSITIVE_INFINITY, 150],
  ])('with limit %s, the last %s of 150 are kept', async (limit, kept) => {
    const { live } = play([stream([numbers(1, 75), numbers(76, 150)], 'stall')], { limit })
    await vi.waitFor(() => expect(live.read().data).toBe('150'))
    const events = live.read().events as ServerSentEvent[]
    expect(events.map(({ data }) => Number(data))).toEqual(
      Array.from({ length: kept }, (_, index) => 151 - kept + index),
    )
    expect(live.read().event).toEqual({ type: 'message', data: '150', lastEventId: '' })
  })

  test('a change leaves the states before it as they were', async () => {
    const feed = liveResponse()
    const { live } = play([feed.response])
    await until(live, 'open')
    const states = []
    for (const data of ['a', 'b']) {
      feed.write(`data: ${data}\n\n`)
      await vi.waitFor(() => expect(live.read().data).toBe(data))
      states.push(live.read())
    }
    const lists = states.map(({ events }) => (events as ServerSentEvent[]).map(({ data }) => data))
    expect(lists).toEqual([['a'], ['a', 'b']])
  })

  test('a reducer makes of each event what it likes, from its initial state', async () => {
    const { live, story } = play([stream(['data: 1\n\ndata: 2\n\n', 'data: 3\n\n'], 'stall')], {
      initial: 10,
      reduce: (sum: number, { data }: ServerSentEvent) => sum + Number(data),
    })
    expect(live.read().events).toBe(10)
    await vi.waitFor(() => expect(live.read().events).toBe(16))
    expect(live.read().data).toBe('3')
    expect(story.slice(0, 2)).toEqual(['connecting 10', 'open 10'])
  })

  test('10,000 events, each a chunk of its own, are told in a few hundred changes at most', async () => {
    const chunks = Array.from({ length: 10_000 }, (_, index) => `data: ${index}\n\n`)
    const { live, story } = play([stream(chunks, 'stall')])
    await vi.waitFor(() => expect(story.at(-1)).toMatch(/,9999$/), { timeout: 10_000 })
    expect(story.length).toBeLessThan(500)
    expect((live.read().events as unknown[]).length).toBe(100)
  })

  test('a lone event is told at once, without a timer', async () => {
    vi.useFakeTimers()
    onTestFinished(() => {
      vi.useRealTimers()
    })
    const { story, live } = play([stream(['data: a\n\n'], 'stall')])
    for (let turn = 0; turn < 100; turn++) await undefined
    expect(story).toEqual(['connecting', 'open', 'open a'])
    live.close()
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('a reducer', () => {
  test('that throws ends the stream, is reported, and loses nothing that came before', async () => {
    const reported = uncaught()
    const broken = new Error('broken reducer')
    const poison = new Set(['c'])
    const { live, story, requests } = play(
      [
        stream(
          ['id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\ndata: c\n\nid: 4\ndata: d\n\n'],
          'stall',
        ),
        stream(['id: 3\ndata: c\n\nid: 4\ndata: d\n\n'], 'stall'),
      ],
      {
        initial: '',
        reduce(text: string, { data }: ServerSentEvent) {
          if (poison.has(data)) throw broken
          return text + data
        },
      },
    )
    await until(live, 'closed')
    expect(story).toEqual([
      'connecting',
      'open',
      'open ab id:2',
      'closed error:broken reducer ab id:2',
    ])
    await vi.waitFor(() => expect(reported).toEqual([broken]))
    poison.clear()
    live.reconnect()
    await vi.waitFor(() => expect(live.read().events).toBe('abcd'))
    expect(requests.map(resumedFrom)).toEqual([null, '2'])
    expect(live.read().error).toBeUndefined()
  })

  test('that closes the stream sees nothing more, not even the rest of the chunk', async () => {
    const seen: string[] = []
    const { live, story } = play([stream(['id: 1\ndata: a\n\nid: 2\ndata: b\n\n'], 'stall')], {
      initial: '',
      reduce(text: string, { data }: ServerSentEvent) {
        seen.push(data)
        live.close()
        return text + data
      },
    })
    await until(live, 'closed')
    expect(seen).toEqual(['a'])
    expect(story.at(-1)).toBe('closed a id:1')
  })

  test('that opens the stream anew does not bring the old state back', async () => {
    const { live } = play(
      [stream(['data: old\n\n'], 'stall'), stream(['data: new\n\n'], 'stall')],
      {
        initial: '',
        reduce(text: string, { data }: ServerSentEvent) {
          if (data === 'old') live.open()
          return text + data
        },
      },
    )
    await vi.waitFor(() => expect(live.read().data).toBe('new'))
    expect(live.read().events).toBe('new')
  })
})

describe('a callback that throws', () => {
  test('onReconnect: it ends the stream and is reported', async () => {
    const reported = uncaught()
    const thrown = new Error('from onReconnect')
    const { live } = play([new TypeError('fetch failed')], {
      onReconnect() {
        throw thrown
      },
    })
    await until(live, 'closed')
    expect(live.read().error).toBe(thrown)
    await vi.waitFor(() => expect(reported).toEqual([thrown]))
  })

  test('decode: it ends the stream with an error that has it as cause', async () => {
    const reported = uncaught()
    const thrown = new Error('from decode')
    const { live, story } = play([stream(['data: a\n\n'])], {
      decode() {
        throw thrown
      },
    })
    await until(live, 'closed')
    expect(live.read().error).toMatchObject({ code: 'data', cause: thrown })
    expect(story).toEqual(['connecting', 'open', 'closed error:data'])
    expect(reported).toEqual([])
  })
})

describe('open and reconnect', () => {
  test('open() starts anew: no events, no last event ID but the option’s', async () => {
    const feed = () => stream(['id: 1\ndata: a\n\n'], 'stall')
    const { live, story, requests } = play([feed(), feed()], { lastEventId: 'start' })
    await vi.waitFor(() => expect(live.read().data).toBe('a'))
    live.open()
    await vi.waitFor(() => expect(story.length).toBe(7))
    expect(story).toEqual([
      'connecting id:start',
      'open id:start',
      'open a id:1',
      'closed a id:1',
      'connecting id:start',
      'open id:start',
      'open a id:1',
    ])
    expect(requests.map(resumedFrom)).toEqual(['start', 'start'])
    expect(requests.map(({ signal }) => signal?.aborted)).toEqual([true, false])
  })

  test('reconnect() goes on: from an open connection, and after close()', async () => {
    const { live, story, requests } = play([
      stream(['id: 1\ndata: a\n\n'], 'stall'),
      stream(['id: 2\ndata: b\n\n'], 'stall'),
      stream(['id: 3\ndata: c\n\n'], 'stall'),
    ])
    await vi.waitFor(() => expect(live.read().data).toBe('a'))
    live.reconnect()
    await vi.waitFor(() => expect(live.read().data).toBe('b'))
    live.close()
    live.reconnect()
    await vi.waitFor(() => expect(story.at(-1)).toBe('open a,b,c id:3'))
    expect(requests.map(resumedFrom)).toEqual([null, '1', '2'])
  })

  test('with immediate: false it waits for open()', async () => {
    const { live, story, requests } = play([stream(['data: a\n\n'], 'stall')], { immediate: false })
    await new Promise((resolve) => setImmediate(resolve))
    expect([live.read().status, requests.length, story]).toEqual(['idle', 0, []])
    live.open()
    await vi.waitFor(() => expect(story).toEqual(['connecting', 'open', 'open a']))
  })

  test('without an input there is nothing to open', async () => {
    const { live, story } = create(null)
    live.open()
    live.reconnect()
    live.close()
    expect([live.read().status, story]).toEqual(['idle', []])
  })

  test('without a subscriber open() waits for one', async () => {
    const { live, leave, listen, story, requests } = play([stream([], 'stall')], {
      immediate: false,
    })
    leave()
    live.open()
    expect(live.read().status).toBe('idle')
    onTestFinished(live.subscribe(listen))
    await until(live, 'open')
    expect(requests.length).toBe(1)
    expect(story).toEqual(['connecting', 'open'])
  })
})

describe('letting go and coming back', () => {
  test('a running stream goes on where it was', async () => {
    const { live, leave, listen, requests } = play([
      stream(['id: 1\ndata: a\n\n'], 'stall'),
      stream(['id: 2\ndata: b\n\n'], 'stall'),
    ])
    await vi.waitFor(() => expect(live.read().data).toBe('a'))
    leave()
    onTestFinished(live.subscribe(listen))
    await vi.waitFor(() => expect(live.read().data).toBe('b'))
    expect((live.read().events as unknown[]).length).toBe(2)
    expect(requests.map(resumedFrom)).toEqual([null, '1'])
  })

  test('at once, it makes one request', async () => {
    const { live, leave, listen, requests } = play([stream([], 'stall')])
    leave()
    onTestFinished(live.subscribe(listen))
    await until(live, 'open')
    expect(requests.length).toBe(1)
  })

  test.each([
    ['complete', [stream(['data: a\n\n'])], { method: 'POST' }],
    ['failed', [new Response(null, { status: 403 })], {}],
  ] as const)('a stream that is %s is not requested again', async (_, answers, options) => {
    const { live, leave, listen, requests } = play([...answers], options)
    await until(live, 'closed')
    leave()
    onTestFinished(live.subscribe(listen))
    await new Promise((resolve) => setImmediate(resolve))
    expect([live.read().status, requests.length]).toEqual(['closed', 1])
  })

  test('a stream that was closed stays closed', async () => {
    const { live, leave, listen, requests } = play([stream([], 'stall')])
    await until(live, 'open')
    live.close()
    leave()
    onTestFinished(live.subscribe(listen))
    expect([live.read().status, requests.length]).toEqual(['closed', 1])
  })
})

describe('the options of now', () => {
  test('functions and headers are the latest at each attempt, without a reconnect', async () => {
    const calls: string[] = []
    const feeds = [liveResponse(), liveResponse(), liveResponse()]
    const { live, requests } = play(
      feeds.map(({ response }) => response),
      { decode: (data: string) => `0:${data}`, headers: { 'x-turn': '0' } },
    )
    const { fetch, retry } = live.latest.options
    const render = (turn: string, options: object = {}) => {
      const headers = [['x-turn', turn]]
      live.latest = { input: FEED, options: { fetch, retry, headers, ...options } as never }
    }
    await until(live, 'open')
    render('1', { decode: (data: string) => `1:${data}`, onOpen: () => calls.push('onOpen:1') })
    feeds[0]?.write('data: a\n\n')
    await vi.waitFor(() => expect(live.read().data).toBe('1:a'))
    expect(requests.length).toBe(1)
    feeds[0]?.end()
    await vi.waitFor(() => expect(calls).toEqual(['onOpen:1']))
    // What is gone is not called; data is decoded as it was when the stream was opened.
    render('2')
    feeds[1]?.write('data: b\n\n')
    await vi.waitFor(() => expect(live.read().data).toBe('0:b'))
    feeds[1]?.end()
    await vi.waitFor(() => expect(requests.length).toBe(3))
    await until(live, 'open')
    expect(calls).toEqual(['onOpen:1'])
    expect(requests.map(({ headers }) => headers.get('x-turn'))).toEqual(['0', '1', '2'])
  })

  test('what is of another kind than at the opening does not count, nor ends the stream', async () => {
    const feeds = [liveResponse(), liveResponse()]
    const { live, requests } = play(
      feeds.map(({ response }) => response),
      { until: ({ data }: ServerSentEvent) => data === 'end', headers: { 'x-turn': '0' } },
    )
    const { fetch, retry } = live.latest.options
    await until(live, 'open')
    const headers = () => ({ 'x-turn': '1' })
    live.latest = { input: FEED, options: { fetch, retry, headers, until: 'stop' } as never }
    feeds[0]?.write('data: a\n\n')
    await vi.waitFor(() => expect(live.read().data).toBe('a'))
    feeds[0]?.end()
    await vi.waitFor(() => expect(requests.length).toBe(2))
    expect(requests[1]?.headers.get('x-turn')).toBe('0')
    feeds[1]?.write('data: end\n\n')
    await until(live, 'closed')
    expect(live.read().error).toBeUndefined()
  })

  test('what a function makes for an attempt may be given as it is later', async () => {
    const feeds = [liveResponse(), liveResponse()]
    const { live, requests } = play(
      feeds.map(({ response }) => response),
      { headers: () => ({ 'x-turn': '0' }) },
    )
    const { fetch, retry } = live.latest.options
    await until(live, 'open')
    live.latest = { input: FEED, options: { fetch, retry, headers: { 'x-turn': '1' } } as never }
    feeds[0]?.end()
    await vi.waitFor(() => expect(requests.length).toBe(2))
    expect(requests.map(({ headers }) => headers.get('x-turn'))).toEqual(['0', '1'])
  })

  test('headers that are no function are not asked for again after a 401', async () => {
    const { live, requests } = play([new Response(null, { status: 401 })], { headers: { a: '1' } })
    await until(live, 'closed')
    expect(requests.length).toBe(1)
  })
})

describe('misuse throws before any request', () => {
  test.each([
    [{ limit: -1 }, RangeError, 'Expected limit >= 0, got -1'],
    [{ limit: '5' }, TypeError, 'Expected limit to be a number, got string'],
    [{ dedupe: -1 }, RangeError, 'Expected dedupe >= 0, got -1'],
    [{ reduce: 1 }, TypeError, 'Expected reduce to be a function, got number'],
    [{ headers: 'a' }, TypeError, 'Expected headers to be a function or object, got string'],
    [{ headers: { 'a b': '1' } }, TypeError, 'Expected header "a b" in Latin-1'],
    [{ idleTimeout: 0 }, RangeError, 'Expected idleTimeout > 0, got 0'],
  ])('%o', async (options, type, message) => {
    expect(() => play([], options)).toThrow(type)
    expect(() => play([], options)).toThrow(message)
    const { live, requests } = play([], { ...options, immediate: false })
    expect(() => live.open()).toThrow(message)
    expect(requests).toEqual([])
  })
})

describe('what tells one stream from another', () => {
  const key = (input: LiveInput, options: object = {}) =>
    requestKey({ input, options } as LiveRequest)

  test.each<[string, LiveInput, object, LiveInput, object]>([
    ['URLs of one text', '/a', {}, '/a', {}],
    ['a URL and its text', new URL('http://a/'), {}, 'http://a/', {}],
    ['equal requests', new Request('http://a/'), {}, new Request('http://a/'), {}],
    ['functions', () => '/a', {}, () => '/b', {}],
    ['equal JSON', '/a', { json: { a: [1] } }, '/a', { json: { a: [1] } }],
    ['functions that make the body', '/a', { json: () => 1 }, '/a', { json: () => 2 }],
    ['bodies without a value', '/a', { body: new Blob(['1']) }, '/a', { body: new Blob(['2']) }],
    ['other headers', '/a', { headers: { a: '1' } }, '/a', { headers: { a: '2' } }],
    ['other callbacks', '/a', { onOpen: () => 1 }, '/a', { onOpen: () => 2 }],
  ])('the same: %s', (_, one, options, other, otherOptions) => {
    expect(key(one, options)).toBeTypeOf('string')
    expect(key(one, options)).toBe(key(other, otherOptions))
  })

  test.each<[string, LiveInput, object, LiveInput, object]>([
    ['URLs', '/a', {}, '/b', {}],
    [
      'requests of other methods',
      new Request('http://a/'),
      {},
      new Request('http://a/', { method: 'PUT' }),
      {},
    ],
    ['methods', '/a', { method: 'GET' }, '/a', { method: 'POST' }],
    ['JSON', '/a', { json: { a: [1] } }, '/a', { json: { a: [2] } }],
    ['texts', '/a', { body: 'a' }, '/a', { body: 'b' }],
    [
      'forms',
      '/a',
      { body: new URLSearchParams('a=1') },
      '/a',
      { body: new URLSearchParams('a=2') },
    ],
    ['a body and none', '/a', { body: 'a' }, '/a', {}],
  ])('others: %s', (_, one, options, other, otherOptions) => {
    expect(key(one, options)).not.toBe(key(other, otherOptions))
  })

  test.each([[null], [undefined], [false]] as const)('none: %s', (input) => {
    expect(key(input)).toBeUndefined()
  })

  test('an empty text is a URL: the page’s own', () => {
    expect(key('')).toBeTypeOf('string')
  })
})

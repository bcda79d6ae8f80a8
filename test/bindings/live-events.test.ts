import { describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  LiveEvents,
  type LiveInput,
  type LiveRequest,
  requestKey,
} from '../../src/bindings/live-events'
import { SseError } from '../../src/errors'
import type { ServerSentEvent } from '../../src/parser/event'
import { dedupe } from '../../src/parts/dedupe'
import type { Skip } from '../../src/session/plan'
import type { RetryContext } from '../../src/session/retry'
import type { Attempt } from '../../src/transport/request'
import { type Answer, answering } from '../support/fetch'
import { live as liveResponse, stream } from '../support/response'
import { serve } from '../support/server'
import { uncaught } from '../support/uncaught'

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
    const latest: LiveRequest = { input: server.url, options: {} }
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

  test('a 401 that fresh headers answer is not told of', async () => {
    const { live, story } = play([new Response(null, { status: 401 }), stream([], 'stall')], {
      headers: () => ({}),
    })
    await until(live, 'open')
    expect(story).toEqual(['connecting', 'open'])
  })

  test('a wait says when the next attempt is due, and how many have failed', async () => {
    vi.useFakeTimers({ now: 1_000_000 })
    onTestFinished(() => {
      vi.useRealTimers()
    })
    const failed = new TypeError('fetch failed')
    const { live } = play([failed, failed, stream(['data: a\n\n', 'data: b\n\n'], 'stall')], {
      retry: { delay: 1000, jitter: 0 },
    })
    const waits = () => {
      const { status, retryAt, failures, error } = live.read()
      return [status, retryAt, failures, error && 'error']
    }
    expect(waits()).toEqual(['connecting', undefined, 0, undefined])
    await vi.advanceTimersByTimeAsync(0)
    expect(waits()).toEqual(['waiting', 1_001_000, 1, 'error'])
    await vi.advanceTimersByTimeAsync(1000)
    expect(waits()).toEqual(['waiting', 1_003_000, 2, 'error'])
    await vi.advanceTimersByTimeAsync(2000)
    expect(waits()).toEqual(['open', undefined, 2, undefined])
    live.close()
  })

  test('while a policy is thinking it is waiting, for no time that anybody knows', async () => {
    let answer!: (delay: number) => void
    const { live, story } = play([new TypeError('fetch failed'), stream([], 'stall')], {
      retry: () =>
        new Promise((resolve) => {
          answer = resolve
        }),
    })
    await until(live, 'waiting')
    expect(live.read().retryAt).toBeUndefined()
    answer(1)
    await until(live, 'open')
    expect(story).toEqual([
      'connecting',
      'waiting error:network',
      'waiting error:network',
      'connecting error:network',
      'open',
    ])
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
    const { live, story, requests } = play(
      [
        stream(
          ['id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\ndata: c\n\nid: 4\ndata: d\n\n'],
          'stall',
        ),
        stream(['id: 4\ndata: d\n\n'], 'stall'),
      ],
      {
        initial: '',
        reduce(text: string, { data }: ServerSentEvent) {
          if (data === 'c') throw broken
          return text + data
        },
      },
    )
    await until(live, 'closed')
    expect(story).toEqual(['connecting', 'open', 'closed error:broken reducer ab id:3'])
    await vi.waitFor(() => expect(reported).toEqual([broken]))
    // The event has been delivered, to the error: it must not come again, for ever.
    live.reconnect()
    await vi.waitFor(() => expect(live.read().events).toBe('abd'))
    expect(requests.map(resumedFrom)).toEqual([null, '3'])
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
    // Told once, with what the reducer has made of the event.
    expect(story).toEqual(['connecting', 'open', 'closed a id:1'])
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

describe('onEvent', () => {
  test('is called with each event, in order, also where they make one change', async () => {
    const seen: string[] = []
    const { live, story } = play(
      [stream(['data: a\n\ndata: b\n\nevent: x\ndata: c\n\n'], 'stall')],
      { onEvent: ({ type, data }: ServerSentEvent) => seen.push(`${type}:${data}`) },
    )
    await vi.waitFor(() => expect(live.read().data).toBe('c'))
    expect(seen).toEqual(['message:a', 'message:b', 'x:c'])
    expect(story).toEqual(['connecting', 'open', 'open a,b,c'])
  })

  test('is that of now, and sees what the reducer has taken', async () => {
    const feed = liveResponse()
    const seen: string[] = []
    const { live } = play([feed.response], {
      initial: '',
      reduce(text: string, { data }: ServerSentEvent) {
        seen.push(`reduce:${data}`)
        return text + data
      },
    })
    await until(live, 'open')
    const { input, options } = live.latest
    const onEvent = ({ data }: ServerSentEvent) => seen.push(`onEvent:${data}`)
    live.latest = { input, options: { ...options, onEvent } }
    feed.write('data: a\n\ndata: b\n\n')
    await vi.waitFor(() => expect(live.read().events).toBe('ab'))
    expect(seen).toEqual(['reduce:a', 'onEvent:a', 'reduce:b', 'onEvent:b'])
  })

  test('that closes the stream hears nothing more, and the event is in the state', async () => {
    const seen: string[] = []
    const { live, story, requests } = play(
      [
        stream(['id: 1\ndata: a\n\nid: 2\ndata: b\n\n'], 'stall'),
        stream(['id: 2\ndata: b\n\n'], 'stall'),
      ],
      {
        onEvent({ data }: ServerSentEvent) {
          seen.push(data)
          live.close()
        },
      },
    )
    await until(live, 'closed')
    expect([seen, story]).toEqual([['a'], ['connecting', 'open', 'closed a id:1']])
    // What was not handed over comes with the next connection.
    live.reconnect()
    await vi.waitFor(() => expect(story.at(-1)).toBe('closed a,b id:2'))
    expect(requests.map(resumedFrom)).toEqual([null, '1'])
  })

  test('that throws closes the stream after its event, and is reported', async () => {
    const reported = uncaught()
    const thrown = new Error('from onEvent')
    const { live, story } = play([stream(['data: a\n\ndata: b\n\n'], 'stall')], {
      onEvent() {
        throw thrown
      },
    })
    await until(live, 'closed')
    expect(story).toEqual(['connecting', 'open', 'closed error:from onEvent a'])
    await vi.waitFor(() => expect(reported).toEqual([thrown]))
  })

  test('an SseError of its own is final, whatever that says', async () => {
    const reported = uncaught()
    const thrown = new SseError('network', 'mine')
    const { live, requests } = play([stream(['data: a\n\n'], 'stall')], {
      onEvent() {
        throw thrown
      },
    })
    await until(live, 'closed')
    expect(live.read().error).toBe(thrown)
    await vi.waitFor(() => expect(reported).toEqual([thrown]))
    expect(requests.length).toBe(1)
  })
})

describe('a listener may act on what it hears', () => {
  /** The requests that nobody has given up. */
  const running = (requests: readonly { signal?: AbortSignal | null | undefined }[]) =>
    requests.filter(({ signal }) => !signal?.aborted).length
  const endless = () => stream(['data: a\n\n'], 'stall')

  test('open() on "closed" leaves one stream, which close() closes', async () => {
    const { live, leave, listen, requests } = play([endless, endless, endless, endless])
    leave()
    let opened = 0
    onTestFinished(
      live.subscribe(() => {
        listen()
        if (live.read().status === 'closed' && opened++ === 0) live.open()
      }),
    )
    await vi.waitFor(() => expect(live.read().data).toBe('a'))
    // What was running is not told as closed.
    live.open()
    await vi.waitFor(() => expect(live.read().data).toBe('a'))
    expect([opened, running(requests)]).toEqual([0, 1])
    live.close()
    await vi.waitFor(() => expect(live.read().data).toBe('a'))
    expect([opened, running(requests)]).toEqual([1, 1])
    live.close()
    expect([live.read().status, running(requests)]).toEqual(['closed', 0])
  })

  test.each(['connecting', 'open', 'waiting', 'closed'] as const)(
    'open(), close() and reconnect() at once on "%s" leave one stream or none',
    async (status) => {
      for (const act of ['open', 'reconnect', 'close', 'leave'] as const) {
        const { live, leave, listen, requests, story } = play([
          status === 'waiting' ? stream(['data: a\n\n']) : endless,
          endless,
          endless,
          endless,
        ])
        leave()
        let acted = false
        const again = live.subscribe(() => {
          listen()
          if (live.read().status !== status || acted) return
          acted = true
          live[act]()
          // Who has acted finds it done.
          expect(live.read().status).toBe(/open|reconnect/.test(act) ? 'connecting' : 'closed')
        })
        if (status === 'closed') {
          await until(live, 'open')
          live.close()
        }
        await vi.waitFor(() => expect(acted).toBe(true))
        if (/open|reconnect/.test(act)) await vi.waitFor(() => expect(live.read().data).toBe('a'))
        await new Promise((resolve) => setTimeout(resolve, 20))
        const one = /open|reconnect/.test(act) ? 1 : 0
        const told = story.length
        expect([act, running(requests.slice(status === 'waiting' ? 1 : 0))]).toEqual([act, one])
        again()
        expect([running(requests.slice(1)), story.length]).toEqual([0, told])
      }
    },
  )

  test('a fetch that acts on its abort cannot leave two streams', async () => {
    const { fetch, requests } = answering(endless, endless, endless, endless)
    const { live } = create(FEED, {
      fetch(url: string, init: RequestInit) {
        if (requests.length === 0) init.signal?.addEventListener('abort', () => live.open())
        return fetch(url, init)
      },
    })
    await until(live, 'open')
    live.open()
    await until(live, 'open')
    await new Promise((resolve) => setTimeout(resolve, 10))
    expect(running(requests)).toBe(1)
    live.close()
    expect(running(requests)).toBe(0)
  })

  test('one that throws is reported, and the stream goes on', async () => {
    const reported = uncaught()
    const thrown = new Error('from the listener')
    const { live, leave, requests } = play([stream(['data: a\n\n'], 'stall')])
    leave()
    onTestFinished(
      live.subscribe(() => {
        throw thrown
      }),
    )
    await vi.waitFor(() => expect(live.read().data).toBe('a'))
    await vi.waitFor(() => expect(reported).toEqual([thrown, thrown, thrown]))
    expect(requests.length).toBe(1)
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
    await vi.waitFor(() => expect(story.length).toBe(6))
    expect(story).toEqual([
      'connecting id:start',
      'open id:start',
      'open a id:1',
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

describe('a stream that cannot be resumed', () => {
  const answer = () => stream(['id: 1\ndata: Hel\n\nid: 2\ndata: lo\n\n'], 'stall')
  const plain = () => stream(['data: Hel\n\ndata: lo\n\n'], 'stall')
  const text = {
    initial: '',
    reduce: (text: string, { data }: ServerSentEvent) => text + data,
  }
  const whole = (live: { read(): { events: unknown } }) =>
    vi.waitFor(() => expect(live.read().events).toBe('Hello'))

  test.each([
    ['a POST', answer, { json: 1 }, [null, null, null]],
    ['a POST that begins elsewhere', answer, { json: 1, lastEventId: '0' }, ['0', '0', '0']],
    ['a GET with an end, without IDs', plain, { until: '[DONE]' }, [null, null, null]],
  ])('begins anew by reconnect(), running or closed: %s', async (_, made, options, ids) => {
    const { live, story, requests } = play([made, made, made], { ...text, ...options })
    await whole(live)
    live.reconnect()
    expect([live.read().status, live.read().events]).toEqual(['connecting', ''])
    await whole(live)
    live.close()
    live.reconnect()
    expect([live.read().status, live.read().events]).toEqual(['connecting', ''])
    await whole(live)
    expect(requests.map(resumedFrom)).toEqual(ids)
    expect(story.filter((line) => line.startsWith('closed')).length).toBe(1)
  })

  test.each([
    [
      'a POST whose request goes on',
      { json: 1, resume: 'same' },
      ['POST null', 'POST 2', 'POST 2'],
    ],
    [
      'a POST that goes on elsewhere',
      { json: 1, resume: ({ cursor }: Attempt) => `/run/${cursor}` },
      ['POST null', 'GET 2', 'GET 2'],
    ],
    ['a GET with an end, with IDs', { until: '[DONE]' }, ['GET null', 'GET 2', 'GET 2']],
    ['a GET', {}, ['GET null', 'GET 2', 'GET 2']],
  ])('any other goes on: %s', async (_, options, expected) => {
    const from = () => Object.defineProperty(answer(), 'url', { value: FEED })
    const rest = () => stream(['data: !\n\n'], 'stall')
    const { live, requests } = play([from, rest, rest], { ...text, ...options })
    await whole(live)
    live.reconnect()
    await vi.waitFor(() => expect(live.read().events).toBe('Hello!'))
    live.close()
    live.reconnect()
    await vi.waitFor(() => expect(live.read().events).toBe('Hello!!'))
    expect(requests.map((sent) => `${sent.method} ${resumedFrom(sent)}`)).toEqual(expected)
  })

  test('a POST that goes on elsewhere begins anew after its end', async () => {
    const from = () =>
      Object.defineProperty(stream(['id: 1\ndata: Hel\n\nid: 2\ndata: lo\n\n']), 'url', {
        value: FEED,
      })
    const { live, requests } = play([from, from], { ...text, json: 1, resume: () => '/run' })
    await until(live, 'closed')
    live.reconnect()
    await until(live, 'closed')
    await whole(live)
    expect(requests.map((sent) => `${sent.method} ${resumedFrom(sent)}`)).toEqual([
      'POST null',
      'POST null',
    ])
  })

  test('reconnect() before the first event repeats the request', async () => {
    const { live, requests } = play([stream([], 'stall'), answer], { ...text, json: 1 })
    await until(live, 'open')
    live.reconnect()
    await whole(live)
    expect(requests.map(({ method }) => method)).toEqual(['POST', 'POST'])
  })

  test('reconnect() by a callback on the first event begins anew', async () => {
    let left = 1
    const { live } = play([answer, answer], {
      ...text,
      json: 1,
      onEvent() {
        if (left-- > 0) live.reconnect()
      },
    })
    await whole(live)
    expect(live.read().status).toBe('open')
  })

  test('fail() asks the policy, and it begins anew with the next attempt', async () => {
    const asked: unknown[] = []
    const reason = new Error('overloaded')
    let left = 2
    const { live, story, requests } = play([answer, answer, answer], {
      ...text,
      json: 1,
      skip: dedupe(10),
      retry({ error, failures }: RetryContext) {
        asked.push([error?.code, error?.cause, failures])
        return 1
      },
      onEvent({ data }: ServerSentEvent) {
        if (data === 'lo' && left-- > 0) live.fail(reason)
      },
    })
    await vi.waitFor(() => expect(requests.length).toBe(3))
    await whole(live)
    expect(asked[0]).toEqual(['refused', reason, 1])
    expect(asked.length).toBe(2)
    expect(requests.map(resumedFrom)).toEqual([null, null, null])
    expect(story.slice(0, 5)).toEqual([
      'connecting',
      'open',
      'waiting error:refused Hello id:2',
      'waiting error:refused Hello id:2',
      'connecting error:refused',
    ])
  })
})

describe('fail', () => {
  test('of a stream that can be resumed keeps its place and its events', async () => {
    const { live, story, requests } = play([
      stream(['id: 1\ndata: a\n\n'], 'stall'),
      stream(['id: 2\ndata: b\n\n'], 'stall'),
    ])
    await vi.waitFor(() => expect(live.read().data).toBe('a'))
    live.fail('subscribe refused')
    expect(live.read()).toMatchObject({ status: 'waiting', events: [{ data: 'a' }] })
    await vi.waitFor(() => expect(live.read().data).toBe('b'))
    expect(story.at(-1)).toBe('open a,b id:2')
    expect(requests.map(resumedFrom)).toEqual([null, '1'])
  })

  test('with retry: false ends the stream with its reason', async () => {
    const { live } = play([stream([], 'stall')], { retry: false })
    await until(live, 'open')
    const reason = new SseError('data', 'mine')
    live.fail(reason)
    await until(live, 'closed')
    expect(live.read().error).toBe(reason)
  })

  test('has no effect where nothing is running', async () => {
    const { live, story } = play([new Response(null, { status: 204 })], { immediate: false })
    live.fail('no')
    expect(live.read().status).toBe('idle')
    live.open()
    await until(live, 'closed')
    live.fail('no')
    expect([live.read().status, story]).toEqual(['closed', ['connecting', 'closed']])
  })
})

describe('dedupe', () => {
  const numbers = () => stream(['id: 1\ndata: a\n\nid: 2\ndata: b\n\n'], 'stall')

  test('knows what came before a reconnect, and before a close', async () => {
    const again = () => stream(['id: 2\ndata: b\n\nid: 3\ndata: c\n\n'], 'stall')
    const { live, story, requests } = play([numbers, again, again], { skip: dedupe(10) })
    await vi.waitFor(() => expect(story.at(-1)).toBe('open a,b id:2'))
    live.reconnect()
    await vi.waitFor(() => expect(story.at(-1)).toBe('open a,b,c id:3'))
    live.close()
    live.reconnect()
    await until(live, 'open')
    await new Promise((resolve) => setTimeout(resolve, 10))
    expect(story.at(-1)).toBe('open a,b,c id:3')
    expect(requests.length).toBe(3)
  })

  test('a skip sees the stream as it is', async () => {
    const seen: unknown[] = []
    const skip: Skip = (_event, id, { attempt, status, lastEventId, response }) => {
      seen.push([id, attempt, status, lastEventId, response?.status])
      return id === '2'
    }
    const { live, story } = play([numbers, numbers], { skip })
    await vi.waitFor(() => expect(story.at(-1)).toBe('open a id:1'))
    live.reconnect()
    await vi.waitFor(() => expect(seen.length).toBe(4))
    expect(seen).toEqual([
      ['1', 1, 'open', '', 200],
      ['2', 1, 'open', '1', 200],
      ['1', 2, 'open', '1', 200],
      ['2', 2, 'open', '1', 200],
    ])
  })

  test('knows nothing after open()', async () => {
    const { live, story } = play([numbers, numbers], { skip: dedupe(10) })
    await vi.waitFor(() => expect(story.at(-1)).toBe('open a,b id:2'))
    live.open()
    expect(live.read().events).toEqual([])
    await vi.waitFor(() => expect(story.at(-1)).toBe('open a,b id:2'))
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

  test('an answer that cannot be resumed is neither shown nor paid for twice', async () => {
    const { live, leave, listen, requests } = play(
      [stream(['data: Hel\n\n'], 'stall'), stream(['data: Hello\n\n'], 'stall')],
      { json: 1 },
    )
    await vi.waitFor(() => expect(live.read().data).toBe('Hel'))
    leave()
    onTestFinished(live.subscribe(listen))
    await new Promise((resolve) => setTimeout(resolve, 10))
    expect([live.read().status, live.read().data, requests.length]).toEqual(['closed', 'Hel', 1])
    live.reconnect()
    await vi.waitFor(() => expect(live.read().data).toBe('Hello'))
    expect((live.read().events as unknown[]).length).toBe(1)
  })

  test('a POST that was not sent yet is sent once', async () => {
    const { live, leave, listen, requests } = play([stream([], 'stall')], { json: 1 })
    leave()
    onTestFinished(live.subscribe(listen))
    await until(live, 'open')
    expect(requests.length).toBe(1)
  })

  test('a POST that waits, since the server has not acted, is made by who comes back', async () => {
    const busy = new Response(null, { status: 429, headers: { 'retry-after': '30' } })
    const { live, leave, listen, requests } = play([busy, stream(['data: a\n\n'], 'stall')], {
      json: 1,
    })
    await until(live, 'waiting')
    leave()
    onTestFinished(live.subscribe(listen))
    await vi.waitFor(() => expect(live.read().data).toBe('a'))
    expect(requests.length).toBe(2)
  })

  test('reconnect() without a subscriber keeps the place, and what resume goes by', async () => {
    const from = () =>
      Object.defineProperty(stream(['id: 1\ndata: a\n\n'], 'stall'), 'url', { value: FEED })
    const { live, leave, listen, requests } = play(
      [from, stream(['id: 2\ndata: b\n\n'], 'stall')],
      { json: 1, resume: ({ cursor }: Attempt) => `/run/${cursor}` },
    )
    await vi.waitFor(() => expect(live.read().data).toBe('a'))
    live.close()
    leave()
    live.reconnect()
    expect(live.read().status).toBe('closed')
    onTestFinished(live.subscribe(listen))
    await vi.waitFor(() => expect(live.read().data).toBe('b'))
    expect(requests.map(({ method, url }) => `${method} ${url}`)).toEqual([
      `POST ${FEED}`,
      'GET https://example.com/run/1',
    ])
  })

  test('who lets go is told nothing more', async () => {
    const { leave, story } = play([stream(['data: a\n\n'], 'stall')])
    await vi.waitFor(() => expect(story.at(-1)).toBe('open a'))
    const told = story.length
    leave()
    await new Promise((resolve) => setTimeout(resolve, 10))
    expect(story.length).toBe(told)
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

  test('what is of another kind than at the opening does not end the stream', async () => {
    const feeds = [liveResponse(), liveResponse()]
    const { live, requests } = play(
      feeds.map(({ response }) => response),
      { until: ({ data }: ServerSentEvent) => data === 'end', headers: { 'x-turn': '0' } },
    )
    const { fetch, retry } = live.latest.options
    await until(live, 'open')
    const headers = () => ({ 'x-turn': '1' })
    live.latest = { input: FEED, options: { fetch, retry, headers, until: 'stop' } as never }
    feeds[0]?.write('id: 1\ndata: a\n\n')
    await vi.waitFor(() => expect(live.read().data).toBe('a'))
    feeds[0]?.fail(new Error('cut'))
    await vi.waitFor(() => expect(requests.length).toBe(2))
    expect(requests[1]?.headers.get('x-turn')).toBe('1')
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

  test.each([
    ['headers that are no function', { headers: { a: '1' } }, 1],
    ['no headers', {}, 1],
    ['headers by a function', { headers: () => ({ a: '1' }) }, 2],
  ])('a 401 with %s', async (_, options, attempts) => {
    const refused = () => new Response(null, { status: 401 })
    const { live, requests } = play([refused, refused], { ...options, retry: false })
    await until(live, 'closed')
    expect(requests.length).toBe(attempts)
  })

  test('headers that have become a function answer a 401', async () => {
    const feeds = [liveResponse(), liveResponse()]
    const answers = [feeds[0]?.response, new Response(null, { status: 401 }), feeds[1]?.response]
    const { live, requests } = play(answers as Response[], { headers: { 'x-token': 'old' } })
    const { fetch, retry } = live.latest.options
    await until(live, 'open')
    const headers = ({ unauthorized }: Attempt) => ({ 'x-token': unauthorized ? 'new' : 'old' })
    live.latest = { input: FEED, options: { fetch, retry, headers } }
    feeds[0]?.end()
    await vi.waitFor(() => expect(requests.length).toBe(3))
    await until(live, 'open')
    expect(requests.map(({ headers }) => headers.get('x-token'))).toEqual(['old', 'old', 'new'])
  })

  test('a Last-Event-ID among static headers says only where the stream begins', async () => {
    const { live, requests } = play(
      [stream([]), stream(['id: 7\ndata: a\n\n']), stream([], 'stall')],
      { headers: { 'Last-Event-ID': '5', 'x-turn': '0' } },
    )
    await vi.waitFor(() => expect(requests.length).toBe(3))
    await until(live, 'open')
    expect(requests.map(resumedFrom)).toEqual(['5', '5', '7'])
    expect(requests.map(({ headers }) => headers.get('x-turn'))).toEqual(['0', '0', '0'])
  })

  test('null keeps Last-Event-ID out of every request', async () => {
    const { requests } = play([stream(['id: 7\ndata: a\n\n']), stream([], 'stall')], {
      headers: { 'Last-Event-ID': null },
    })
    await vi.waitFor(() => expect(requests.length).toBe(2))
    expect(requests.map(resumedFrom)).toEqual([null, null])
  })

  test('headers from an iterator are sent with every request', async () => {
    const { live, requests } = play([stream([]), stream([], 'stall'), stream([], 'stall')], {
      headers: new Map([['x-turn', '0']]).entries(),
    })
    await vi.waitFor(() => expect(requests.length).toBe(2))
    live.close()
    live.reconnect()
    await until(live, 'open')
    expect(requests.map(({ headers }) => headers.get('x-turn'))).toEqual(['0', '0', '0'])
  })

  test('what validated() makes is the latest, too', async () => {
    const feed = liveResponse()
    const decoder = (turn: string) => ({ turn, decode: readWithTurn })
    function readWithTurn(this: { turn: string }, data: string) {
      return `${this.turn}:${data}`
    }
    const { live } = play([feed.response], { decode: decoder('0') })
    const { fetch, retry } = live.latest.options
    await until(live, 'open')
    feed.write('data: a\n\n')
    await vi.waitFor(() => expect(live.read().data).toBe('0:a'))
    live.latest = { input: FEED, options: { fetch, retry, decode: decoder('1') } as never }
    feed.write('data: b\n\n')
    await vi.waitFor(() => expect(live.read().data).toBe('1:b'))
  })

  test('JSON may have a member of any name', async () => {
    const { requests } = play([stream([], 'stall')], { json: { decode: 'rot13' } })
    await vi.waitFor(() => expect(requests.length).toBe(1))
    expect(requests[0]?.body).toBe('{"decode":"rot13"}')
  })
})

describe('misuse throws before any request', () => {
  test.each([
    [{ limit: -1 }, RangeError, 'Expected limit '],
    [{ limit: '5' }, TypeError, 'Expected limit to be a number, got string'],
    [{ onEvent: 1 }, TypeError, 'Expected onEvent to be a function, got number'],
    [{ reduce: 1 }, TypeError, 'Expected reduce to be a function, got number'],
    [{ headers: 'a' }, TypeError, 'Expected headers to be a function or object, got string'],
    [{ headers: { 'a b': '1' } }, TypeError, 'Expected header "a b" in Latin-1'],
    [{ idleTimeout: 0 }, RangeError, 'Expected idleTimeout '],
    [{ schema: {} }, TypeError, 'did you mean decode: validated(schema)?'],
  ])('%o', async (options, type, message) => {
    expect(() => play([], options)).toThrow(type)
    expect(() => play([], options)).toThrow(message)
    const { live, requests } = play([], { ...options, immediate: false })
    expect(() => live.open()).toThrow(message)
    expect(requests).toEqual([])
  })

  test('and leaves what is running as it is', async () => {
    const feed = liveResponse()
    const { live, story, requests } = play([feed.response])
    await until(live, 'open')
    const { input, options } = live.latest
    live.latest = { input, options: { ...options, limit: -1 } }
    expect(() => live.open()).toThrow(RangeError)
    live.latest = { input, options }
    feed.write('data: a\n\n')
    await vi.waitFor(() => expect(story).toEqual(['connecting', 'open', 'open a']))
    expect(requests.length).toBe(1)
  })
})

describe('what tells one stream from another', () => {
  const key = (input: LiveInput, options: object = {}) =>
    requestKey({ input, options } as LiveRequest)

  test.each<[string, LiveInput, object, LiveInput, object]>([
    ['URLs of one text', '/a', {}, '/a', {}],
    ['a URL and its text', new URL('http://a/'), {}, 'http://a/', {}],
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

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { LiveEvents } from '../../src/bindings/live-events'
import { EventSource } from '../../src/faces/event-source'
import { type EventStream, events } from '../../src/faces/events'
import { fetchEventSource } from '../../src/faces/fetch-event-source'
import type { AnyEvent } from '../../src/parser/event'
import { type Answer, answering, follow } from '../support/fetch'
import { failureOf, refusedBy, reset, status } from '../support/play'
import { live, stream } from '../support/response'

const SECRET = 's3cret'
/** Each test has a path of its own, because a note is made once for each. */
let tests = 0
let place: string
let feed: string
const said = vi.fn()

beforeEach(() => {
  place = `https://example.com/feed/${++tests}`
  feed = `${place}?token=${SECRET}`
  vi.useFakeTimers()
  vi.spyOn(Math, 'random').mockReturnValue(0)
  said.mockClear()
  for (const method of ['debug', 'error', 'info', 'log', 'trace', 'warn'] as const) {
    vi.spyOn(console, method).mockImplementation((...all) => said(method, ...all))
  }
})
afterEach(() => {
  expect(JSON.stringify(said.mock.calls)).not.toContain(SECRET)
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
  vi.unstubAllEnvs()
})

/** Iterates for so long, then closes. */
async function run(source: EventStream<AnyEvent>, time: number): Promise<string[]> {
  const story: string[] = []
  const followed = follow(source, story)
  await vi.advanceTimersByTimeAsync(time)
  source.close()
  await followed
  return story
}

const answers = (...all: Answer[]) => answering(...all).fetch
const forEver = (answer: () => Answer) => answers(...Array.from({ length: 99 }, answer))
const note = (text: string) => [['warn', `tidings: ${text}`]]

const AGAIN = 'Trying again in 1 s. Pass onReconnect to hear of each attempt.'
const FAILED = 'Does a server run there, and does it allow this origin (CORS)?'

describe('a stream that has never been open', () => {
  const html = () => new Response(SECRET, { headers: { 'content-type': `text/html; x=${SECRET}` } })
  test.each<[string, () => Answer, string]>([
    [
      'a wrong port',
      () => refusedBy('ECONNREFUSED'),
      `The request failed (ECONNREFUSED). ${FAILED}`,
    ],
    ['a missing CORS header', reset, `The request failed. ${FAILED}`],
    [
      'an error that says too much',
      () => new Error(`${feed} failed`),
      `The request failed. ${FAILED}`,
    ],
    ['a 500', () => status(500), 'Expected status 200, got 500.'],
  ])('%s is said once, with where, why and what comes next', async (_, answer, why) => {
    await run(events(feed, { fetch: forEver(answer) }), 600_000)
    expect(said.mock.calls).toEqual(note(`${place} cannot be opened. ${why} ${AGAIN}`))
  })

  test('what a policy has retried is told too, with its delay', async () => {
    const retry = () => 250
    await run(events(feed, { fetch: forEver(html), retry }), 5000)
    expect(said.mock.calls).toEqual(
      note(
        `${place} cannot be opened. Expected content-type text/event-stream, got text/html. Is it a login page, or the wrong URL? Trying again in 250 ms. Pass onReconnect to hear of each attempt.`,
      ),
    )
  })

  test('each path is a place of its own, and the query is none', async () => {
    for (const url of [feed, `${place}/other`, `${place}?q=2`, `${place}#3`]) {
      await run(events(url, { fetch: forEver(reset) }), 5000)
    }
    expect(said.mock.calls.map(([, text]) => /https:\S+/.exec(text)?.[0])).toEqual([
      place,
      `${place}/other`,
    ])
  })

  test.each([
    ['a headers function', { headers: () => Promise.reject(new Error(SECRET)) }],
    ['a timeout', { connectTimeout: 100 }],
  ])('%s is a reason', async (name, options) => {
    await run(events(feed, { fetch: forEver(() => 'silence'), ...options }), 5000)
    const why =
      name === 'a timeout'
        ? 'It was not open within connectTimeout.'
        : 'A function of the request failed.'
    expect(said.mock.calls).toEqual(note(`${place} cannot be opened. ${why} ${AGAIN}`))
  })

  test('is not told where there is nothing to name: a path of a framework, a data URL', async () => {
    await run(events(`/feed/${tests}?${SECRET}`, { fetch: forEver(reset) }), 5000)
    await run(events(`data:text/plain,${SECRET}`, { fetch: forEver(reset) }), 5000)
    await run(
      events(() => Promise.reject(reset()), { fetch: forEver(reset) }),
      5000,
    )
    expect(said.mock.calls.map(([, text]) => text.split('. ')[0])).toEqual([
      `tidings: /feed/${tests} cannot be opened`,
      'tidings: data: cannot be opened',
      'tidings: the stream cannot be opened',
    ])
  })

  test('is silent where the caller hears of it, or gets the error', async () => {
    await run(events(feed, { fetch: forEver(reset), onReconnect() {} }), 5000)
    expect(await run(events(feed, { fetch: forEver(reset), retry: false }), 0)).toEqual([
      'throws:network',
    ])
    expect(await run(events(feed, { fetch: forEver(() => status(403)) }), 0)).toEqual([
      'throws:status',
    ])
    expect(said).not.toHaveBeenCalled()
  })

  test('is silent once it has been open', async () => {
    const fetch = answers(stream(['data: 1\n\n']), ...Array.from({ length: 9 }, reset))
    await run(events(feed, { fetch }), 60_000)
    expect(said).not.toHaveBeenCalled()
  })

  test('tells of EventSource also what is final, since its errors are easily missed', async () => {
    new EventSource(feed, { fetch: forEver(() => status(500)) })
    await vi.advanceTimersByTimeAsync(0)
    expect(said.mock.calls).toEqual(
      note(`${place} cannot be opened. Expected status 200, got 500. It will not be tried again.`),
    )
  })

  test('tells of useEvents', async () => {
    const options = { fetch: forEver(reset) }
    const leave = new LiveEvents('key', { input: feed, options } as never, true).subscribe(() => {})
    await vi.advanceTimersByTimeAsync(5000)
    leave()
    expect(said.mock.calls).toEqual(
      note(`${place} cannot be opened. The request failed. ${FAILED} ${AGAIN}`),
    )
  })

  test('tells of fetchEventSource without onerror', async () => {
    for (const onerror of [() => 1000, undefined]) {
      const control = new AbortController()
      const { signal } = control
      const done = fetchEventSource(feed, { fetch: forEver(reset) as never, onerror, signal })
      await vi.advanceTimersByTimeAsync(5000)
      control.abort()
      await done
      expect(said).toHaveBeenCalledTimes(onerror ? 0 : 1)
    }
  })
})

describe('a request without an answer', () => {
  const HELD = `has not answered for 15 s. Does a proxy hold the answer back, or does the server send its headers only with the first event?`

  test('is told after 15 s, once', async () => {
    const fetch = forEver(() => 'silence')
    const source = events(feed, { fetch, onReconnect() {}, connectTimeout: 20_000 })
    const followed = follow(source, [])
    await vi.advanceTimersByTimeAsync(14_999)
    expect(said).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1)
    expect(said.mock.calls).toEqual(note(`${place} ${HELD}`))
    await vi.advanceTimersByTimeAsync(120_000)
    expect(said).toHaveBeenCalledTimes(1)
    source.close()
    await followed
  })

  test('leaves no timer behind, and keeps no process alive', async () => {
    const timers = vi.spyOn(globalThis, 'setTimeout')
    const { response } = live()
    const source = events(feed, { fetch: answers(response) })
    const next = source[Symbol.asyncIterator]().next()
    await vi.advanceTimersByTimeAsync(0)
    const at = timers.mock.calls.findIndex(([, delay]) => delay === 15_000)
    expect(timers.mock.results[at]?.value.hasRef()).toBe(false)
    // The one that looks for sleep.
    expect(vi.getTimerCount()).toBe(1)
    await vi.advanceTimersByTimeAsync(60_000)
    source.close()
    await next
    expect(said).not.toHaveBeenCalled()
  })

  test('is not told once it has been given up', async () => {
    await run(events(feed, { fetch: () => new Promise(() => {}) }), 14_000)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(said).not.toHaveBeenCalled()
  })
})

describe('a reconnect with Last-Event-ID across origins', () => {
  const begun = () => stream([`id: ${SECRET}\ndata: 1\n\n`])
  const page = (
    origin = 'https://app.example',
    scope: object = { WorkerGlobalScope: class {} },
  ) => {
    vi.stubGlobal('location', { origin, href: `${origin}/page` })
    for (const [name, value] of Object.entries(scope)) vi.stubGlobal(name, value)
  }
  const told = async (options: object, ...all: Answer[]) => {
    await run(
      events(feed, {
        fetch: answers(...all),
        resume: 'same',
        onEnd: 'reconnect',
        ...options,
      } as never),
      5000,
    )
    return said.mock.calls
  }

  test('that fails without an answer may lack leave for the header', async () => {
    page()
    expect(await told({}, begun(), reset(), reset(), reset())).toEqual(
      note(
        `Reconnecting to ${place} failed without an answer. Unlike the first request this one has a Last-Event-ID header, which needs a CORS preflight. If the server is up, let it answer OPTIONS with Access-Control-Allow-Headers: Last-Event-ID, or leave the header out by headers: { 'Last-Event-ID': null }.`,
      ),
    )
  })

  test.each<[string, object]>([
    ['a POST of text', { body: SECRET }],
    [
      'a form',
      {
        body: new URLSearchParams({ SECRET }),
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      },
    ],
    ['a language', { headers: { 'Accept-Language': 'de' } }],
  ])('%s has needed no preflight before', async (_, options) => {
    page()
    expect(await told(options, begun(), reset())).toHaveLength(1)
  })

  test.each<[string, object]>([
    ['a token', { headers: { Authorization: SECRET } }],
    ['JSON', { json: SECRET }],
    ['PUT', { method: 'PUT', body: SECRET }],
    ['no Last-Event-ID', { headers: { 'Last-Event-ID': null } }],
  ])('is silent where the first request has needed the same: %s', async (_, options) => {
    page()
    expect(await told(options, begun(), reset())).toEqual([])
  })

  test('is silent within the origin', async () => {
    page('https://example.com')
    expect(await told({}, begun(), reset())).toEqual([])
  })

  test('is silent where there is an answer', async () => {
    page()
    expect(await told({}, begun(), status(500), status(500))).toEqual([])
  })

  test('is silent where nobody knows CORS: Node with a location', async () => {
    page('https://app.example', {})
    expect(await told({}, begun(), reset())).toEqual([])
  })

  test('is silent where the first request has failed so', async () => {
    page()
    expect(await told({ lastEventId: SECRET, onReconnect() {} }, reset(), reset())).toEqual([])
  })
})

describe('a line that is no field', () => {
  test('may be a line break in data: that it came is said, not what it was', async () => {
    const body = stream([`data: first\n${SECRET}\n\ndata: second\nother: ${SECRET}\n\n`])
    expect(await run(events(feed, { fetch: answers(body) }), 0)).toEqual([
      'message:first',
      'message:second',
      'done',
    ])
    expect(said.mock.calls).toEqual(
      note(
        `${place} has sent a line that is no field, which the standard ignores. Is it a line break in data? Then each line needs a "data:" of its own.`,
      ),
    )
  })

  test('is neither a comment, nor a field with an odd value', async () => {
    const body = stream([`: ${SECRET}\nretry: soon\nretry\nid: \0\ndata\ndata: 1\n\n`])
    await run(events(feed, { fetch: answers(body) }), 0)
    expect(said).not.toHaveBeenCalled()
  })
})

describe('an ID that no header can carry', () => {
  const begun = (id: string) => stream([`id: ${id}\ndata: 1\n\n`])
  const told = async (id: string, headers?: object) => {
    const options = { fetch: answers(begun(id), begun(id), begun(id)), headers } as never
    await run(events(feed, options), 10_000)
    return said.mock.calls
  }

  test.each([
    ['too long', `${SECRET}${'x'.repeat(8192)}`],
    ['with a control character', `${SECRET}\x01`],
    ['blank', '  '],
  ])('%s is told once', async (_, id) => {
    expect(await told(id)).toEqual(
      note(
        `${place} has sent an ID that no header can carry: it is over 8 KiB, blank, or has control characters. The stream reconnects without it, and events may be missed or come twice.`,
      ),
    )
  })

  test.each<[string, string, object?]>([
    ['of a good one', SECRET],
    ['of 8 KiB', 'x'.repeat(8192)],
    ['of none', ''],
    ['where the caller says it in a header', '\x01', () => ({ 'last-event-id': '1' })],
    ['where the caller leaves it out', '\x01', { 'Last-Event-ID': null }],
  ])('nothing is told %s', async (_, id, headers) => {
    expect(await told(id, headers)).toEqual([])
  })
})

describe('a TypeError from a function of the request', () => {
  const told = async (options: object, input: unknown = feed) => {
    const source = events(
      input as string,
      { onReconnect() {}, fetch: answers(), ...options } as never,
    )
    await run(source, 5000)
    return said.mock.calls
  }

  test('may be a bug: where it was is said, not what', async () => {
    const headers = () => (undefined as never as Record<string, never>)[SECRET]
    const [call, ...more] = await told({ headers })
    expect(more).toEqual([])
    expect(call?.[1]).toMatch(
      /^tidings: A function of the request to https:\S+ has thrown a TypeError \(at \S*headers \(?\S*console\.test\.ts:\d+:\d+\)?\)\. It is tried again as a network failure would be, but may be a bug\. onReconnect gets it as error\.cause\.$/,
    )
  })

  test.each(['body', 'json'])('also of %s', async (name) => {
    expect(await told({ [name]: () => (null as never as { a: number }).a })).toHaveLength(1)
  })

  test('also of the input', async () => {
    const [call] = await told({}, () => (null as never as { a: string }).a)
    expect(call?.[1]).toMatch(/^tidings: A function of the request to the stream has thrown/)
  })

  test.each([
    ['the fetch of Node', refusedBy('ECONNREFUSED')],
    ['the fetch of Chromium', new TypeError('Failed to fetch')],
    ['the fetch of Firefox', new TypeError('NetworkError when attempting to fetch resource.')],
    ['the fetch of Safari', new TypeError('Load failed')],
    ['the fetch of React Native', new TypeError('Network request failed')],
    ['another error', new RangeError(SECRET)],
  ])('is none where it comes from %s', async (_, error) => {
    expect(await told({ headers: () => Promise.reject(error) })).toEqual([])
  })
})

describe('the message of a truncated stream names the types that decode has left out', () => {
  const messageOf = async (types: string[], ...after: Answer[]) => {
    const text = types.map((type) => `event: ${type}\ndata: 1\n\n`).join('')
    const decode = (_data: string, { type }: AnyEvent) => (type === 'message' ? 1 : undefined)
    const fetch = answers(stream([`data: 1\n\n${text}`]), ...after)
    const until = () => false
    const retry = after.length > 0 ? () => 0 : (false as const)
    const source = events<number>(feed, { fetch, decode, until, retry, resume: 'same' })
    const iterator = source[Symbol.asyncIterator]()
    await iterator.next()
    const failure = failureOf(iterator.next())
    await vi.advanceTimersByTimeAsync(60_000)
    return (await failure).message
  }
  const END = 'Expected the event that until names, got the end of the stream'

  test('each once, where there are any', async () => {
    expect(await messageOf([])).toBe(END)
    expect(await messageOf(['a', 'b"', 'a'])).toBe(
      `${END}. decode left out the events of type "a", "b\\""`,
    )
  })

  test('ten at most', async () => {
    const types = Array.from({ length: 11 }, (_, number) => `t${number}`)
    expect(await messageOf(types)).toMatch(/ of type "t0", .*, "t9"$/)
  })

  test('also at a 204', async () => {
    expect(await messageOf(['a'], status(204))).toBe(
      'Expected the event that until names, got status 204. decode left out the events of type "a"',
    )
  })
})

describe('nothing is said', () => {
  const notable = () => run(events(feed, { fetch: forEver(reset) }), 5000)

  test('where NODE_ENV is production', async () => {
    vi.stubEnv('NODE_ENV', 'production')
    const timers = vi.spyOn(globalThis, 'setTimeout')
    await notable()
    expect(said).not.toHaveBeenCalled()
    expect(timers.mock.calls.some(([, delay]) => delay === 15_000)).toBe(false)
  })

  test('where there is no console', async () => {
    vi.stubGlobal('console', undefined)
    await notable()
    expect(said).not.toHaveBeenCalled()
  })

  test('but something where there is no process, as in a page', async () => {
    vi.stubGlobal('process', undefined)
    await notable()
    vi.unstubAllGlobals()
    expect(said).toHaveBeenCalledTimes(1)
  })

  test('to make Deno ask its user for leave to read NODE_ENV', async () => {
    const querySync = vi.fn(() => ({ state: 'prompt' }))
    vi.stubGlobal('Deno', { permissions: { querySync } })
    const read = vi.fn()
    vi.stubGlobal('process', {
      get env() {
        return read()
      },
    })
    await notable()
    vi.unstubAllGlobals()
    expect(querySync).toHaveBeenCalledWith({ name: 'env', variable: 'NODE_ENV' })
    expect(read).not.toHaveBeenCalled()
    expect(said).toHaveBeenCalledTimes(1)
  })

  test('where a stream does well', async () => {
    const ends = [stream(['id: 1\ndata: 1\n\n']), stream(['id: 2\ndata: 2\n\n']), status(204)]
    expect(await run(events(feed, { fetch: answers(...ends) }), 60_000)).toEqual([
      'message:1',
      'message:2',
      'done',
    ])
    expect(said).not.toHaveBeenCalled()
  })
})

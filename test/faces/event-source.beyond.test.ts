import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { SseError } from '../../src/errors'
import type { EventSource, OpenEvent, SseErrorEvent } from '../../src/faces/event-source'
import { dedupe } from '../../src/parts/dedupe'
import { parseJson } from '../../src/parts/parse-json'
import type { Attempt } from '../../src/transport/request'
import { type Answer, answering } from '../support/fetch'
import { stream } from '../support/response'
import { failure, message, open, record } from '../support/source'

const URL_ = 'http://localhost/'
const SECOND = 1000

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(Math, 'random').mockReturnValue(0)
})
afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
  vi.restoreAllMocks()
})

/** All that is due within so many milliseconds has happened. */
const pass = (time = 0) => vi.advanceTimersByTimeAsync(time)

const status = (code: number, headers?: Record<string, string>): Response =>
  new Response(code === 204 ? null : '', { status: code, headers })
const cut = (): TypeError => new TypeError('fetch failed')
const unsent = (): TypeError =>
  new TypeError('fetch failed', { cause: Object.assign(new Error(), { code: 'ECONNREFUSED' }) })
const kept = (text = 'data: 1\n\n') => stream([text], 'stall')

/** Each `error` event's code, and what the source says by then: `'network:waiting'`. */
function errors(source: EventSource): string[] {
  const story: string[] = []
  source.addEventListener('error', ({ code }) => story.push(`${code}:${source.status}`))
  return story
}

test('retry with digits beyond all numbers is waited for, as the standard has it', async () => {
  const { fetch, requests } = answering(stream([`retry: ${'9'.repeat(400)}\ndata: 1\n\n`]))
  const source = open(URL_, { fetch })
  await pass(60 * SECOND)
  expect([source.status, source.readyState, requests.length]).toEqual(['waiting', 0, 1])
})

describe('a URL that is a function', () => {
  test('is asked before each attempt, and url says what it said last', async () => {
    const asked: (number | string | undefined)[] = []
    const { fetch, requests } = answering(stream(['data: 1\n\n']), kept('data: 2\n\n'))
    const source = open(
      async ({ number, error }: Attempt) => {
        asked.push(number, error?.code)
        return `http://localhost/feed?ticket=${number}`
      },
      { fetch },
    )
    expect(source.url).toBe('')
    await pass()
    expect(source.url).toBe('http://localhost/feed?ticket=1')
    await pass(3 * SECOND)
    expect(source.url).toBe('http://localhost/feed?ticket=2')
    expect(requests.map(({ url }) => url)).toEqual([
      'http://localhost/feed?ticket=1',
      'http://localhost/feed?ticket=2',
    ])
    expect(asked).toEqual([1, undefined, 2, undefined])
  })

  test('may make a URL object, or one relative to the page', async () => {
    vi.stubGlobal('location', new URL('https://example.org/app/'))
    const { fetch } = answering(cut(), kept())
    const source = open(({ number }) => (number === 1 ? new URL('http://a.test') : 'feed?x'), {
      fetch,
    })
    await pass()
    expect(source.url).toBe('http://a.test/')
    await pass(3 * SECOND)
    expect(source.url).toBe('https://example.org/app/feed?x')
  })

  test('answers a 401 by a fresh one, at once and untold', async () => {
    const { fetch, requests } = answering(status(401), kept())
    const source = open(({ number }) => `http://localhost/?ticket=${number}`, { fetch })
    const story = record(source)
    await pass()
    expect(story).toEqual(['open:1', 'message:1:1'])
    expect(requests.length).toBe(2)
  })

  test('that makes no URL closes the source', async () => {
    const { fetch, requests } = answering()
    const source = open(() => 'http://[', { fetch })
    const story = errors(source)
    await pass(60 * SECOND)
    expect([story, requests]).toEqual([['undefined:closed'], []])
  })

  test('that fails in passing is asked again, one that fails for good is not', async () => {
    const makers: [unknown, string[]][] = [
      [new TypeError('no network'), ['network:waiting', 'network:waiting']],
      [Object.assign(new Error('logged out'), { status: 403 }), ['auth:closed']],
    ]
    for (const [thrown, told] of makers) {
      const source = open(() => Promise.reject(thrown), answering())
      const story = errors(source)
      await pass(5 * SECOND)
      expect(story).toEqual(told)
      source.close()
    }
  })
})

describe('without retry', () => {
  test.each<[string, Answer]>([
    ['a request that fails', cut()],
    ['a cut', stream(['data: 1\n\n'], new Error('cut'))],
    ['a clean end', stream(['data: 1\n\n'])],
    ['an end in mid-event', stream(['data: 1\n'])],
  ])('%s is tried again after 3 seconds, time after time', async (_, answer) => {
    const made = () => (answer instanceof Response ? answer.clone() : Promise.reject(answer))
    const { fetch, requests } = answering(...Array<Answer>(20).fill(made))
    const source = open(URL_, { fetch })
    for (let count = 1; count <= 10; count++) {
      await pass()
      expect([requests.length, source.status]).toEqual([count, 'waiting'])
      expect(source.retryAt).toBe(Date.now() + 3 * SECOND)
      await pass(3 * SECOND)
    }
  })

  test.each([404, 410, 408, 429, 500, 503, 529])(
    'a %i is final, also after events, whatever the answer asks for',
    async (code) => {
      const headers = { 'retry-after': '1', 'x-should-retry': 'true' }
      const answers = [stream(['id: 1\ndata: 1\n\n']), status(code, headers), kept()]
      const { fetch, requests } = answering(...answers)
      const source = open(URL_, { fetch })
      const story = errors(source)
      await pass(60 * SECOND)
      expect([story, requests.length]).toEqual([['undefined:waiting', `${code}:closed`], 2])
    },
  )

  test('another content type is final, also after events', async () => {
    const { fetch, requests } = answering(stream(['id: 1\ndata: 1\n\n']), new Response('<p>'))
    const story = errors(open(URL_, { fetch }))
    await pass(60 * SECOND)
    expect([story, requests.length]).toEqual([['undefined:waiting', 'content-type:closed'], 2])
  })

  test('a retry field of a month is waited for, and makes no hot loop', async () => {
    const { fetch, requests } = answering(stream(['retry: 2592000000\n\n']), kept())
    const source = open(URL_, { fetch })
    await pass(60 * SECOND)
    expect([requests.length, source.status]).toEqual([1, 'waiting'])
    expect(source.retryAt).toBeGreaterThan(Date.now() + 29 * 86_400 * SECOND)
  })

  test('functions that fail for no known reason are asked twice more', async () => {
    const source = open(URL_, {
      ...answering(),
      headers: () => Promise.reject(new Error('refresh failed: 502')),
    })
    const story = errors(source)
    await pass(60 * SECOND)
    expect(story).toEqual(['auth:waiting', 'auth:waiting', 'auth:closed'])
  })
})

describe('a 401', () => {
  const tokens = ({ number }: Attempt) => ({ authorization: `Bearer ${number}` })

  test.each<[string, object]>([
    ['without retry', {}],
    ['with retry: {}', { retry: {} }],
    ['with retry: false', { retry: false }],
  ])('is answered by fresh headers once, at once and untold: %s', async (_, init) => {
    const { fetch, requests } = answering(status(401), kept())
    const source = open(URL_, { fetch, headers: tokens, ...init })
    const story = record(source)
    await pass()
    expect(story).toEqual(['open:1', 'message:1:1'])
    expect(requests.map(({ headers }) => headers.get('authorization'))).toEqual([
      'Bearer 1',
      'Bearer 2',
    ])
  })

  test('twice in a row is told, and answered after the usual wait; a third is final', async () => {
    const { fetch, requests } = answering(status(401), status(401), status(401), kept())
    const source = open(URL_, { fetch, headers: tokens })
    const story = errors(source)
    await pass()
    expect([story, requests.length]).toEqual([['401:waiting'], 2])
    await pass(3 * SECOND)
    expect([story, requests.length]).toEqual([['401:waiting', '401:closed'], 3])
    await pass(60 * SECOND)
    expect(requests.length).toBe(3)
  })

  test('is final where nothing can answer it', async () => {
    const { fetch, requests } = answering(status(401, { 'x-should-retry': 'true' }), kept())
    const source = open(URL_, { fetch, headers: { authorization: 'Bearer 1' } })
    const story = errors(source)
    await pass(60 * SECOND)
    expect([story, requests.length]).toEqual([['401:closed'], 1])
  })

  test('may be another status', async () => {
    const { fetch, requests } = answering(status(403), kept())
    const source = open(URL_, { fetch, headers: tokens, authStatuses: [403] })
    await pass()
    expect([source.status, requests.length]).toEqual(['open', 2])
  })
})

describe('retry', () => {
  test('opts into statuses and growth', async () => {
    const busy = () => status(503)
    const { fetch, requests } = answering(busy, busy, kept())
    const source = open(URL_, { fetch, retry: { delay: 100 } })
    const story = record(source)
    await pass(100)
    expect([requests.length, source.failures]).toEqual([2, 2])
    await pass(200)
    expect(story).toEqual(['error:0', 'error:0', 'open:1', 'message:1:1'])
  })

  test('false closes at the first end, of whatever kind', async () => {
    for (const answer of [stream([]), cut()]) {
      const source = open(URL_, { ...answering(answer), retry: false })
      const story = record(source)
      await pass()
      expect(story.at(-1)).toBe('error:2')
    }
  })

  test.each<[string, object, string[]]>([
    ['without it, a page asks whether there is a server at all', {}, ['GET', 'HEAD', 'GET']],
    [
      'with it, a gateway’s error without CORS headers is one of the network',
      { retry: {} },
      ['GET'],
    ],
    ['with a policy as well', { retry: () => 3000 }, ['GET']],
  ])('%s', async (_, init, methods) => {
    vi.stubGlobal('location', new URL('http://page.test/'))
    const sent: unknown[] = []
    vi.stubGlobal('fetch', async (_url: string, { method, mode }: RequestInit) => {
      sent.push(method)
      // What CORS is to a page.
      if (mode !== 'no-cors') throw new TypeError('Failed to fetch')
      return new Response()
    })
    const source = open(URL_, init)
    const story = errors(source)
    await pass()
    const closed = !('retry' in init)
    expect([sent, story]).toEqual([methods, [closed ? 'network:closed' : 'network:waiting']])
  })

  test('that is a policy is told of in no event while it thinks, and reconnect() overrules it', async () => {
    let asked = 0
    const { fetch, requests } = answering(cut(), kept())
    const source = open(URL_, {
      fetch,
      retry: () => {
        asked++
        return new Promise<never>(() => {})
      },
    })
    const story = record(source)
    await pass(60 * SECOND)
    expect([asked, source.status, source.retryAt, story]).toEqual([1, 'waiting', undefined, []])
    source.reconnect()
    expect(source.status).toBe('connecting')
    await pass()
    expect([requests.length, story]).toEqual([2, ['open:1', 'message:1:1']])
  })

  test('that closes the source itself leaves it closed, without an event', async () => {
    const { fetch, requests } = answering(cut())
    const source: EventSource = open(URL_, {
      fetch,
      retry: () => {
        source.close()
        return 1
      },
    })
    const story = record(source)
    await pass(60 * SECOND)
    expect([source.status, story, requests.length]).toEqual(['closed', [], 1])
  })
})

describe('a method that is not safe', () => {
  test('completes with the end of its stream', async () => {
    const { fetch, requests } = answering(stream(['data: 1\n\n']))
    const source = open(URL_, { fetch, json: { prompt: 'hi' } })
    const story = record(source)
    const ended = failure(source)
    await pass(60 * SECOND)
    const { message, error } = await ended
    expect([story, message, error]).toEqual([
      ['open:1', 'message:1:1', 'error:2'],
      'The stream ended',
      undefined,
    ])
    expect(requests.map(({ method, body }) => [method, body])).toEqual([
      ['POST', '{"prompt":"hi"}'],
    ])
  })

  test.each<[string, Answer[], object, string[], number]>([
    ['cut after its events', [stream(['data: 1\n\n'], cut())], {}, ['network:closed'], 1],
    ['ended in mid-event', [stream(['data: 1\n'])], {}, ['truncated:closed'], 1],
    ['cut before an answer', [cut()], {}, ['network:closed'], 1],
    [
      'never sent',
      [unsent(), unsent(), unsent()],
      {},
      ['network:waiting', 'network:waiting', 'network:closed'],
      3,
    ],
    [
      'cut, where resume says it may',
      [stream(['data: 1\n\n'], cut()), kept()],
      { resume: 'same' },
      ['network:waiting'],
      2,
    ],
    ['cut, whatever retry says', [cut()], { retry: () => 0 }, ['network:closed'], 1],
  ])('is repeated only where nothing was done: %s', async (_, answers, init, told, count) => {
    const { fetch, requests } = answering(...answers)
    const source = open(URL_, { fetch, method: 'POST', ...init })
    const story = errors(source)
    await pass(60 * SECOND)
    expect([story, requests.length]).toEqual([told, count])
  })
})

describe('reconnect()', () => {
  test.each<[string, Answer[]]>([
    ['a closed source', [status(500)]],
    ['a source that waits', [cut()]],
    ['a source that connects', []],
    ['an open source', [stream([': \n\n'], 'stall')]],
  ])('brings back %s at once, from where it was', async (_, answers) => {
    const { fetch, requests } = answering(answers[0] ?? 'silence', kept())
    const source = open(URL_, { fetch, lastEventId: 'a' })
    await pass()
    const event = message(source)
    // As a button passes its click.
    ;(source.reconnect as (event: unknown) => void)(new Event('click'))
    await pass()
    expect((await event).lastEventId).toBe('a')
    expect(requests.map(({ headers }) => headers.get('last-event-id'))).toEqual(['a', 'a'])
    expect(source.status).toBe('open')
  })

  test('right after close() is a new start, and the old one stays silent', async () => {
    const source = open(URL_, answering(kept(), kept('data: 2\n\n')))
    const story = record(source)
    await pass()
    source.close()
    source.reconnect()
    expect(source.status).toBe('connecting')
    await pass()
    expect(story).toEqual(['open:1', 'message:1:1', 'open:1', 'message:1:2'])
  })

  test('in the listener of the error that closes the source opens it again', async () => {
    const { fetch, requests } = answering(status(500), status(500), kept())
    const source = open(URL_, { fetch })
    const story = record(source)
    source.addEventListener('error', () => source.reconnect())
    await pass()
    expect([story, requests.length]).toEqual([['error:2', 'error:2', 'open:1', 'message:1:1'], 3])
  })

  test('delivers first what has been read', async () => {
    const { fetch, requests } = answering(
      kept('id: 1\ndata: 1\n\nid: 2\ndata: 2\n\n'),
      kept(':\n\n'),
    )
    const source = open(URL_, { fetch })
    const story: string[] = []
    source.onmessage = ({ data }) => {
      story.push(data)
      if (data === '1') source.reconnect()
    }
    await pass()
    expect([story, requests[1]?.headers.get('last-event-id')]).toEqual([['1', '2'], '2'])
  })
})

describe('fail()', () => {
  const states: [string, Answer][] = [
    ['connects', 'silence'],
    ['is open', () => kept()],
    ['waits', cut()],
  ]

  test.each(states)(
    'while the source %s: it waits, says so, and connects again',
    async (_, answer) => {
      const { fetch, requests } = answering(answer, kept('data: 2\n\n'))
      const source = open(URL_, { fetch })
      await pass()
      const events: SseErrorEvent[] = []
      source.onerror = (event: SseErrorEvent) => events.push(event)
      const reason = new Error('not subscribed')
      source.fail(reason)
      expect(source.status).toBe('waiting')
      await pass()
      const [event] = events
      expect([events.length, event?.code, event?.status]).toEqual([1, 'refused', undefined])
      expect(event?.error).toBeInstanceOf(SseError)
      expect(event?.error?.cause).toBe(reason)
      expect([source.status, source.retryAt]).toEqual(['waiting', Date.now() + 3 * SECOND])
      await pass(3 * SECOND)
      expect([source.status, requests.length]).toEqual(['open', 2])
    },
  )

  test.each(states)(
    'of a POST, while the source %s, is leave to send it again',
    async (_, answer) => {
      const { fetch, requests } = answering(answer, kept())
      const source = open(URL_, { fetch, method: 'POST', resume: 'same' })
      await pass()
      source.fail('no good')
      await pass(3 * SECOND)
      expect([source.status, requests.length]).toEqual(['open', 2])
    },
  )

  test('takes an SseError for the error itself, whatever its code', async () => {
    const source = open(URL_, answering(kept(), kept()))
    await pass()
    const reason = new SseError('status', 'Subscribed too late', { status: 403 })
    const failed = failure(source)
    source.fail(reason)
    await pass()
    const { error, code, status } = await failed
    expect([error, code, status, source.status]).toEqual([reason, 403, 403, 'waiting'])
  })

  test('has no effect on a closed source', async () => {
    const { fetch, requests } = answering(kept())
    const source = open(URL_, { fetch })
    const story = record(source)
    source.close()
    source.fail('late')
    await pass(60 * SECOND)
    expect([source.status, story, requests.length]).toEqual(['closed', [], 0])
  })

  test('is what the retry policy is asked about', async () => {
    const causes: unknown[] = []
    const source = open(URL_, {
      ...answering(kept()),
      retry: ({ error }) => {
        causes.push(error?.cause)
        return false
      },
    })
    await pass()
    const story = errors(source)
    source.fail('no good')
    await pass()
    expect([causes, story]).toEqual([['no good'], ['refused:closed']])
  })
})

describe('the state', () => {
  test('tells when the next attempt is due, and how many have failed', async () => {
    const source = open(URL_, answering(cut(), cut(), kept()))
    expect([source.status, source.retryAt, source.failures]).toEqual(['connecting', undefined, 0])
    await pass()
    const at = Date.now() + 3 * SECOND
    expect([source.status, source.retryAt, source.failures]).toEqual(['waiting', at, 1])
    await pass(3 * SECOND)
    expect([source.status, source.failures]).toEqual(['waiting', 2])
    await pass(3 * SECOND)
    expect([source.status, source.retryAt]).toEqual(['open', undefined])
  })

  test('is connecting, for readyState too, before the error event', async () => {
    const source = open(URL_, answering(stream([])))
    const seen: unknown[] = []
    source.onerror = () => seen.push(source.readyState, source.status, source.retryAt !== undefined)
    await pass()
    expect(seen).toEqual([0, 'waiting', true])
  })

  test('of a network that returns cuts the wait short, without another event', async () => {
    const page = new EventTarget()
    vi.stubGlobal('addEventListener', page.addEventListener.bind(page))
    vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page))
    const { fetch, requests } = answering(cut(), kept())
    const source = open(URL_, { fetch })
    const story = record(source)
    await pass()
    page.dispatchEvent(new Event('online'))
    await pass()
    expect([story, requests.length]).toEqual([['error:0', 'open:1', 'message:1:1'], 2])
    source.close()
  })

  test.each([
    ['while it is open', kept('id: 1\ndata: 1\n\n')],
    ['while it waits', stream(['id: 1\ndata: 1\n\n'])],
  ])(
    'has a last event ID that can be set, %s: the next attempt goes on from there',
    async (_, answer) => {
      const { fetch, requests } = answering(answer, kept())
      const source = open(URL_, { fetch })
      await pass()
      expect(source.lastEventId).toBe('1')
      source.lastEventId = 7 as never
      expect(source.lastEventId).toBe('7')
      source.reconnect()
      await pass()
      expect(requests[1]?.headers.get('last-event-id')).toBe('7')
    },
  )

  test('has a last event ID that can be cleared: the next attempt begins anew', async () => {
    const { fetch, requests } = answering(stream(['id: 1\ndata: 1\n\n']), kept())
    const source = open(URL_, { fetch })
    await pass()
    source.lastEventId = ''
    await pass(3 * SECOND)
    expect(requests[1]?.headers.has('last-event-id')).toBe(false)
  })
})

describe('options of events()', () => {
  test('decode makes the data, and leaves events out', async () => {
    const source = open(URL_, {
      ...answering(kept('data: {"a":1}\n\ndata:\n\nid: 3\ndata: null\n\n')),
      decode: parseJson,
    })
    const seen: unknown[] = []
    source.onmessage = ({ data, lastEventId }) => seen.push(data, lastEventId)
    await pass()
    expect(seen).toEqual([{ a: 1 }, '', null, '3'])
  })

  test('decode may take its time', async () => {
    const source = open(URL_, {
      ...answering(kept('data: 1\n\ndata: 2\n\n')),
      decode: async (data) => Number(data) * 10,
    })
    const seen: unknown[] = []
    source.onmessage = ({ data }) => seen.push(data)
    await pass()
    expect(seen).toEqual([10, 20])
  })

  test('decode that throws closes the source, after the events before it', async () => {
    const { fetch, requests } = answering(kept('data: 1\n\nid: 2\ndata: {\n\ndata: 3\n\n'))
    const source = open(URL_, { fetch, decode: parseJson })
    const story = record(source)
    const failed = failure(source)
    await pass(60 * SECOND)
    expect(story).toEqual(['open:1', 'message:1:1', 'error:2'])
    const { code, error } = await failed
    expect([code, (error as SseError).event?.data, requests.length]).toEqual(['data', '{', 1])
  })

  test('until closes the source in a turn after its event, and it is not asked again', async () => {
    const { fetch, requests } = answering(kept('data: 1\n\nevent: done\ndata: 2\n\ndata: 3\n\n'))
    const source = open(URL_, { fetch, until: { type: 'done' } })
    const story = record(source, ['message', 'done', 'error'])
    const next = (type: string) =>
      new Promise<void>((resolve) => source.addEventListener(type, () => resolve(), { once: true }))
    const heard = (async () => {
      await next('done')
      const { status } = source
      await next('error')
      return [status, source.status]
    })()
    await pass(60 * SECOND)
    expect(await heard).toEqual(['open', 'closed'])
    expect([story, requests.length]).toEqual([['message:1:1', 'done:1:2', 'error:2'], 1])
  })

  test('until of a text closes the source without that event', async () => {
    const source = open(URL_, {
      ...answering(kept('data: 1\n\ndata: [DONE]\n\n')),
      until: '[DONE]',
    })
    const story = record(source)
    await pass()
    expect(story).toEqual(['open:1', 'message:1:1', 'error:2'])
  })

  test('a reconnect() right after the last event is heard', async () => {
    const { fetch, requests } = answering(kept('data: end\n\n'), kept('data: 2\n\n'))
    const source = open(URL_, { fetch, until: ({ data }) => data === 'end' })
    const story = record(source)
    source.addEventListener('message', () => source.reconnect(), { once: true })
    await pass()
    expect([story, requests.length]).toEqual([
      ['open:1', 'message:1:end', 'open:1', 'message:1:2'],
      2,
    ])
  })

  test('a stream that ends before until is truncated', async () => {
    const source = open(URL_, { ...answering(stream(['data: 1\n\n'])), until: '[DONE]' })
    const story = errors(source)
    await pass(60 * SECOND)
    expect(story).toEqual(['truncated:closed'])
  })

  test('cursor and resume go on by a request of their own', async () => {
    const { fetch, requests } = answering(stream(['data: 7\n\n'], cut()), kept())
    open(URL_, {
      fetch,
      method: 'POST',
      cursor: ({ data }) => data,
      resume: ({ cursor }) => `/after/${cursor}`,
    })
    await pass(3 * SECOND)
    expect(requests.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'POST http://localhost/',
      'GET http://localhost/after/7',
    ])
  })

  test('skip passes events over, and dedupe knows the source', async () => {
    const again = 'id: 1\ndata: 1\n\nid: 2\ndata: 2\n\n'
    const source = open(URL_, {
      ...answering(stream([again]), kept(`${again}id: 3\ndata: 3\n\n`)),
      skip: dedupe(10),
    })
    const story = record(source)
    await pass(3 * SECOND)
    expect(story).toEqual([
      'open:1',
      'message:1:1',
      'message:1:2',
      'error:0',
      'open:1',
      'message:1:3',
    ])
  })

  test('skip sees where the stream is', async () => {
    const seen: unknown[] = []
    const source = open(URL_, {
      ...answering(kept('id: 1\ndata: 1\n\nid: 2\ndata: 2\n\n')),
      skip: (_event, id, { attempt, response, status, lastEventId }) => {
        seen.push([id, attempt, response?.status, status, lastEventId])
        return false
      },
    })
    await pass()
    expect(seen).toEqual([
      ['1', 1, 200, 'open', ''],
      ['2', 1, 200, 'open', '1'],
    ])
    source.close()
  })

  test('a gate that is shut makes the source wait, without an event', async () => {
    let leave!: () => void
    const { fetch, requests } = answering(kept())
    const source = open(URL_, {
      fetch,
      gate: () =>
        new Promise<void>((resolve) => {
          leave = resolve
        }),
    })
    const story = record(source)
    await pass(60 * SECOND)
    expect([source.status, source.readyState, source.retryAt, story]).toEqual([
      'waiting',
      0,
      undefined,
      [],
    ])
    expect(requests).toEqual([])
    leave()
    await pass()
    expect(story).toEqual(['open:1', 'message:1:1'])
  })

  test('onReconnect is told of each wait, after the error event', async () => {
    const story: string[] = []
    const source = open(URL_, {
      ...answering(cut(), kept()),
      onReconnect: ({ delay }) => story.push(`reconnect:${delay}`),
    })
    source.onerror = () => story.push('error')
    await pass(3 * SECOND)
    expect(story).toEqual(['error', 'reconnect:3000'])
  })

  test('a signal closes the source without an event, also before it began', async () => {
    const controller = new AbortController()
    const { fetch, requests } = answering(kept())
    const source = open(URL_, { fetch, signal: controller.signal })
    const story = record(source)
    await pass()
    controller.abort()
    expect(source.readyState).toBe(2)
    const late = open(URL_, { fetch, signal: controller.signal })
    expect(late.readyState).toBe(2)
    story.push(...record(late))
    await pass(60 * SECOND)
    expect([requests.length, story]).toEqual([1, ['open:1', 'message:1:1']])
  })

  test('onOpen that throws refuses the response: the error has its status', async () => {
    const source = open(URL_, {
      ...answering(kept()),
      onOpen: () => {
        throw new Error('no')
      },
    })
    const failed = failure(source)
    await pass(60 * SECOND)
    const { code, status } = await failed
    expect([code, status, source.status]).toEqual(['refused', 200, 'closed'])
  })

  test.each<[string, object]>([
    ['headers', { headers: { 'x y': '1' } }],
    ['a body with GET', { method: 'GET', body: 'no' }],
    ['idleTimeout', { idleTimeout: 0 }],
    ['retry', { retry: 1 }],
    ['accept', { accept: () => true }],
  ])('misuse of %s throws at once in development', (_, init) => {
    const make = () => open(URL_, { ...answering(), ...init })
    if (__DEV__) expect(make).toThrow()
    else expect(make).not.toThrow()
  })
})

test('headers that can be iterated once serve every attempt, and send() too', async () => {
  const { fetch, requests } = answering(stream([]), kept(), status(204))
  const headers = new Map([['x-own', '1']]).entries()
  const source = open(URL_, { fetch, headers })
  await pass(3 * SECOND)
  await source.send('say', 1)
  expect(requests.map(({ headers }) => headers.get('x-own'))).toEqual(['1', '1', '1'])
})

test('the open event has the response, of each connection', async () => {
  const first = stream([])
  const second = kept()
  const source = open(URL_, answering(first, second))
  const seen: unknown[] = []
  source.onopen = ({ response }: OpenEvent) => seen.push(response)
  await pass(3 * SECOND)
  expect(seen).toEqual([first, second])
})

test('events that have come before a cut are all fired before it is told', async () => {
  const source = open(URL_, answering(stream(['data: 1\n\ndata: 2\n\n'], cut()), kept(':\n\n')))
  const story = record(source)
  await pass()
  expect(story).toEqual(['open:1', 'message:1:1', 'message:1:2', 'error:0'])
})

test('one event under many listeners that take their time holds nothing up', async () => {
  const source = open(URL_, answering(kept('data: 1\n\ndata: 2\n\n')))
  const slow = vi.fn(() => new Promise<void>(() => {}))
  source.addEventListener('message', slow)
  onTestFinished(() => source.close())
  await once(source, 'open')
  await pass()
  expect(slow).toHaveBeenCalledTimes(2)
})

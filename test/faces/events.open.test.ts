import { afterEach, describe, expect, test, vi } from 'vitest'
import { SseError } from '../../src/errors'
import { events } from '../../src/faces/events'
import type { Attempt } from '../../src/transport/request'
import { OldAbortController } from '../support/abort-controller'
import { type Answer, follow } from '../support/fetch'
import {
  type AnyOptions,
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
import { body, live, stream } from '../support/response'

ownTheClock()
afterEach(() => void vi.unstubAllGlobals())

const answer = (status: number, type: string | null, chunks: string[] = ['data: 1\n\n']) =>
  new Response(body(chunks), { status, headers: type === null ? {} : { 'content-type': type } })
const STREAM = 'text/event-stream'

/** What opening the stream comes to: `'open'`, or a code. */
async function opening(first: Answer, options: AnyOptions = {}): Promise<string> {
  const { source } = prepare([first], { retry: false, ...options })
  const next = source[Symbol.asyncIterator]().next()
  return next
    .then(
      () => 'open',
      (error) => error.code,
    )
    .finally(() => source.close())
}

describe('which responses are a stream', () => {
  test.each<[number, string | null, string]>([
    [200, STREAM, 'open'],
    [201, STREAM, 'open'],
    [202, STREAM, 'open'],
    [203, STREAM, 'status'],
    [206, STREAM, 'status'],
    [304, STREAM, 'status'],
    [400, STREAM, 'status'],
    [500, STREAM, 'status'],
    [200, `${STREAM}; charset=utf-8`, 'open'],
    [200, 'Text/Event-Stream', 'open'],
    [200, ` ${STREAM} ;x`, 'open'],
    [200, `text/html, ${STREAM}`, 'open'],
    [200, `${STREAM}, text/html`, 'content-type'],
    [200, 'text/event-streams', 'content-type'],
    [200, 'text/html', 'content-type'],
    [200, 'application/json', 'content-type'],
    [200, null, 'content-type'],
    [201, 'application/json', 'content-type'],
  ])('%i with %s: %s', async (code, type, expected) => {
    const given = code === 304 ? new Response(null, { status: 304 }) : answer(code, type)
    expect(await opening(given)).toBe(expected)
  })

  test('a refusal has the response, its text up to 64 KiB, and what it asks to wait', async () => {
    const text = `{"error":"${'x'.repeat(7000)}"}`
    const refused = new Response(text, {
      status: 429,
      headers: { 'retry-after': '7', 'content-type': 'application/json' },
    })
    const { source } = prepare([refused], { retry: false })
    expect(await failureOf(source[Symbol.asyncIterator]().next())).toMatchObject({
      code: 'status',
      status: 429,
      response: refused,
      body: text,
      retryAfter: 7000,
      attempt: 1,
    })
  })
})

describe('accept', () => {
  test.each<[string, Response, AnyOptions['accept'], string]>([
    ['true takes any type', answer(200, 'text/plain'), () => true, 'open'],
    ['true takes any status', answer(500, STREAM), () => true, 'open'],
    ['a promise of true, too', answer(500, 'x/y'), async () => true, 'open'],
    ['false of another status is code status', answer(203, STREAM), () => false, 'status'],
    [
      'false of another type is code content-type',
      answer(200, 'text/html'),
      () => false,
      'content-type',
    ],
    [
      'false of another type with 202 as well',
      answer(202, 'text/html'),
      () => false,
      'content-type',
    ],
    ['false of a stream is code refused', answer(200, STREAM), () => false, 'refused'],
    ['false of a stream with 201 as well', answer(201, STREAM), async () => false, 'refused'],
    [
      'a throw is code refused',
      answer(500, 'text/html'),
      () => {
        throw new Error('no')
      },
      'refused',
    ],
    ['a rejection, too', answer(200, STREAM), () => Promise.reject(new Error('no')), 'refused'],
  ])('%s', async (_, response, accept, expected) => {
    expect(await opening(response, { accept: accept as AnyOptions['accept'] })).toBe(expected)
  })

  test('what it throws is the cause, and is not retried; the body is let go of', async () => {
    for (const name of ['accept', 'onOpen']) {
      const { response, cancelled } = live()
      const cause = new SseError('network', 'of the caller')
      const { source, story } = prepare([response], {
        [name]: () => {
          throw cause
        },
      })
      expect(await failureOf(source[Symbol.asyncIterator]().next())).toMatchObject({
        code: 'refused',
        cause,
        response,
        retriable: false,
        attempt: 1,
      })
      await cancelled
      expect(story).toEqual(['fetch'])
    }
  })

  test('sees each response before onOpen does', async () => {
    const told: string[] = []
    await storyOf([stream(['data: 1\n\n']), noContent()], {
      accept: ({ status }) => !!told.push(`accept:${status}`),
      onOpen: ({ status }) => told.push(`open:${status}`),
    })
    expect(told).toEqual(['accept:200', 'open:200'])
  })
})

describe('the response', () => {
  test('is there while its events are read, and no longer', async () => {
    const answers = [stream(['data: 1\n\n']), stream(['data: 2\n\n'], 'stall')]
    const { source } = prepare(answers)
    const iterator = source[Symbol.asyncIterator]()
    expect(source.response).toBe(undefined)
    await iterator.next()
    expect(source.response).toBe(answers[0])
    const next = iterator.next()
    await settled()
    expect(source.response).toBe(undefined)
    await vi.advanceTimersByTimeAsync(1000)
    await next
    expect(source.response).toBe(answers[1])
    source.close()
    expect(source.response).toBe(undefined)
  })
})

describe('onOpen', () => {
  test('gets each response before its events, and is waited for', async () => {
    const answers = [stream(['data: 1\n\n']), stream(['data: 2\n\n'])]
    const opened: unknown[] = []
    const { source, story } = prepare([...answers, noContent()], {
      async onOpen(response) {
        opened.push(response)
        story.push('open')
        await new Promise((resolve) => setTimeout(resolve, 500))
        story.push('opened')
      },
    })
    const followed = follow(source, story)
    await vi.advanceTimersByTimeAsync(5000)
    await followed
    expect(opened).toEqual(answers)
    expect(story).toEqual([
      ...['fetch', 'open', 'opened', 'message:1', 'reconnect:end:1000'],
      ...['fetch', 'open', 'opened', 'message:2', 'reconnect:end:1000', 'fetch', 'done'],
    ])
  })
})

describe('onReconnect', () => {
  test('is told why, when and after which attempt, with the failures in a row', async () => {
    const told: unknown[] = []
    await storyOf([status(503), reset(), stream(['data: 1\n\n']), noContent()], {
      onReconnect: (reconnect) => told.push(reconnect),
    })
    expect(told).toEqual([
      {
        error: expect.objectContaining({ code: 'status', status: 503 }),
        delay: 1000,
        failures: 1,
        attempt: 1,
      },
      { error: expect.objectContaining({ code: 'network' }), delay: 2000, failures: 2, attempt: 2 },
      { error: undefined, delay: 1000, failures: 1, attempt: 3 },
    ])
  })

  test.each([new Error('of the caller'), 'text', undefined, null, 0])(
    'a throw in it ends the stream, with that: %s',
    async (thrown) => {
      const { source, story } = prepare([status(503)], {
        onReconnect: () => {
          throw thrown
        },
      })
      expect(await failureOf(source[Symbol.asyncIterator]().next())).toBe(thrown)
      expect([source.status, ...story]).toEqual(['closed', 'fetch'])
    },
  )

  test('the error it was told, thrown again, ends the stream: no hot loop', async () => {
    const { source, story } = prepare([status(503)], {
      onReconnect: ({ error }) => {
        throw error
      },
    })
    expect(await failureOf(source[Symbol.asyncIterator]().next())).toMatchObject({ status: 503 })
    expect(story).toEqual(['fetch'])
  })
})

describe('connectTimeout', () => {
  const never = () => new Promise<never>(() => {})
  test.each<[string, Answer, AnyOptions]>([
    ['the headers', 'silence', { headers: never }],
    ['the body', 'silence', { body: never, resume: 'same' }],
    ['json', 'silence', { json: never, resume: 'same' }],
    ['fetch', 'silence', {}],
    ['accept', stream([]), { accept: never }],
    ['onOpen', stream([]), { onOpen: never }],
  ])('is for the whole way: %s', async (_, first, options) => {
    const run = await play([first], { connectTimeout: 500, ...options }, 499)
    expect(run.source.status).toBe('connecting')
    await vi.advanceTimersByTimeAsync(1)
    expect([run.source.status, run.story.at(-1)]).toEqual(['waiting', 'reconnect:timeout:1000'])
    for (const { signal } of run.requests) expect(signal?.aborted).toBe(true)
    await stop(run)
  })

  test('is for the input as well', async () => {
    const source = events(never, { connectTimeout: 500, retry: false })
    const failed = failureOf(source[Symbol.asyncIterator]().next())
    await vi.advanceTimersByTimeAsync(500)
    expect(await failed).toMatchObject({ code: 'timeout', attempt: 1 })
  })

  test('is over with a refusal, however long the text of that takes', async () => {
    const slow = new Response(live().response.body, { status: 503 })
    const run = await play([slow], { connectTimeout: 500 }, 1000)
    expect(run.story).toEqual(['fetch', 'reconnect:503:1000'])
    await stop(run)
  })

  test('is over when the stream is open', async () => {
    const run = await play([live().response], { connectTimeout: 5000 }, 60_000)
    expect([run.source.status, ...run.story]).toEqual(['open', 'fetch'])
    await stop(run)
  })

  test('begins anew with each attempt', async () => {
    const run = await play(['silence', 'silence', noContent()], { connectTimeout: 5000 }, 60_000)
    await run.followed
    expect(run.story).toEqual([
      ...['fetch', 'reconnect:timeout:1000', 'fetch', 'reconnect:timeout:2000', 'fetch', 'done'],
    ])
  })

  test('of a POST whose headers never come is thrown, with an AbortController that drops its reason, too', async () => {
    for (const Controller of [AbortController, OldAbortController]) {
      vi.stubGlobal('AbortController', Controller)
      const story = await storyOf(['silence'], { method: 'POST', connectTimeout: 5000 })
      expect(story).toEqual(['fetch', 'throws:timeout'])
    }
  })
})

describe('idleTimeout', () => {
  test('gives up a silent connection', async () => {
    const { response, write, cancelled } = live()
    const run = await play([response, noContent()], { idleTimeout: 5000 }, 3000)
    write('data: 1\n\n')
    await vi.advanceTimersByTimeAsync(4999)
    expect(run.story).toEqual(['fetch', 'message:1'])
    await vi.advanceTimersByTimeAsync(1)
    await cancelled
    await vi.advanceTimersByTimeAsync(10_000)
    await run.followed
    expect(run.story).toEqual(['fetch', 'message:1', 'reconnect:idle:1000', 'fetch', 'done'])
  })

  test('a policy is shown the response of a connection that fell silent', async () => {
    const { response } = live()
    const responses: unknown[] = []
    const story = await storyOf([response], {
      idleTimeout: 5000,
      retry: (context) => {
        responses.push(context.response, context.error?.response)
        return false
      },
    })
    expect(responses).toEqual([response, response])
    expect(story).toEqual(['fetch', 'throws:idle'])
  })

  test('a comment, or any byte, is a sign of life', async () => {
    const { response, write } = live()
    const run = await play([response], { idleTimeout: 5000 }, 4000)
    for (const bytes of [':\n', '\n', ': still here\n\n', 'd']) {
      write(bytes)
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

  test('may come from the response; undefined is none', async () => {
    const quiet = (seconds?: string) => {
      const { response } = live()
      if (seconds) response.headers.set('x-heartbeat', seconds)
      return response
    }
    const answers = [quiet('3'), quiet('6'), quiet()]
    const run = await play(
      answers,
      {
        idleTimeout: ({ headers }) => {
          const seconds = headers.get('x-heartbeat')
          return seconds === null ? undefined : Number(seconds) * 1000
        },
        retry: { delay: 1000, factor: 1 },
      },
      3000,
    )
    expect(run.story).toEqual(['fetch', 'reconnect:idle:1000'])
    await vi.advanceTimersByTimeAsync(7000)
    expect(run.story.slice(2)).toEqual(['fetch', 'reconnect:idle:1000'])
    await vi.advanceTimersByTimeAsync(3_600_000)
    expect(run.story.slice(4)).toEqual(['fetch'])
    await stop(run)
  })

  test('what its function throws ends the stream, and lets go of the body', async () => {
    const { response, cancelled } = live()
    const thrown = new Error('of the caller')
    const { source } = prepare([response], {
      idleTimeout: () => {
        throw thrown
      },
    })
    expect(await failureOf(source[Symbol.asyncIterator]().next())).toBe(thrown)
    await cancelled
  })

  test('one timer does for all chunks', async () => {
    const set = vi.spyOn(globalThis, 'setTimeout')
    const { response, write } = live()
    const run = await play([response], { idleTimeout: 5000 })
    for (let chunk = 0; chunk < 20; chunk++) {
      write('data: 1\n\n')
      await settled()
    }
    expect(run.story.length).toBe(21)
    expect(set.mock.calls.filter(([, delay]) => delay === 5000).length).toBe(1)
    await stop(run)
  })
})

describe('headers', () => {
  const sentBy = async (options: AnyOptions, answers: Answer[] = [noContent()]) => {
    const run = await play(answers, options, 60_000)
    await run.followed
    return run.requests.map(({ headers }) => Object.fromEntries(headers))
  }

  test('the caller’s Accept and Content-Type win over ours, static or from a function', async () => {
    const own = { Accept: 'a/b', 'Content-Type': 'text/x' }
    for (const headers of [
      own,
      () => own,
      async () => own,
      new Headers(own),
      Object.entries(own),
    ]) {
      expect(await sentBy({ headers: headers as never, json: {} })).toEqual([
        { accept: 'a/b', 'content-type': 'text/x' },
      ])
    }
    expect(await sentBy({ json: {} })).toEqual([
      { accept: 'text/event-stream', 'content-type': 'application/json' },
    ])
  })

  test('null leaves a header out, whatever its case; undefined says nothing', async () => {
    const headers = { accept: null, 'CONTENT-TYPE': null, 'LAST-event-id': null, 'x-y': undefined }
    for (const given of [headers, () => headers]) {
      expect(await sentBy({ headers: given, json: {}, lastEventId: '7' })).toEqual([{}])
    }
    const nothing = { Accept: undefined, 'Last-Event-ID': undefined }
    expect(await sentBy({ headers: nothing, lastEventId: '7' })).toEqual([
      { accept: 'text/event-stream', 'last-event-id': '7' },
    ])
  })

  test('Last-Event-ID: a static one counts until the stream has its own', async () => {
    const answers = [stream(['data: 1\n\n']), stream(['id: 7\ndata: 2\n\n']), noContent()]
    const run = await play(answers, { headers: { 'Last-Event-ID': 'own' } }, 60_000)
    expect(run.requests.map(idOf)).toEqual(['own', 'own', '7'])
  })

  test('Last-Event-ID: one from a function always wins', async () => {
    const answers = [stream(['id: 7\ndata: 2\n\n']), noContent()]
    const headers = ({ number }: Attempt) => ({ 'Last-Event-ID': `own${number}` })
    const run = await play(answers, { headers, lastEventId: '1' }, 60_000)
    expect(run.requests.map(idOf)).toEqual(['own1', 'own2'])
  })

  test('Last-Event-ID: null leaves it out at every attempt', async () => {
    const answers = [stream(['id: 7\ndata: 2\n\n']), noContent()]
    const run = await play(answers, { headers: { 'Last-Event-ID': null } }, 60_000)
    expect(run.requests.map(idOf)).toEqual([null, null])
  })

  test('an iterator is not used up by the first attempt', async () => {
    const headers = new Map([['x-own', '1']]).entries()
    expect(await sentBy({ headers }, [stream([]), noContent()])).toMatchObject([
      { 'x-own': '1' },
      { 'x-own': '1' },
    ])
  })

  test('a header named like a member of every object goes out', async () => {
    expect(await sentBy({ headers: { constructor: '1', toString: '2' } as never })).toMatchObject([
      { constructor: '1', tostring: '2' },
    ])
  })

  test('a function is called before every attempt, with all there is to know', async () => {
    const attempts: Attempt[] = []
    const lost = reset()
    const { source, requests, story } = prepare(
      [stream(['id: 7\ndata: 1\n\n'], lost), stream([]), status(503), status(401), noContent()],
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
    await vi.advanceTimersByTimeAsync(20_000)
    await followed
    expect(story).toEqual([
      ...['headers', 'fetch:6', 'message:1', 'reconnect:network:1000'],
      ...['headers', 'fetch:7', 'reconnect:end:2000'],
      ...['headers', 'fetch:7', 'reconnect:503:4000'],
      ...['headers', 'fetch:7', 'headers', 'fetch:7', 'done'],
    ])
    expect(requests.map(({ headers }) => headers.get('authorization'))).toEqual([
      ...['Bearer 1', 'Bearer 2', 'Bearer 3', 'Bearer 4', 'Bearer 5'],
    ])
    const first = attempts[1]?.first
    expect(first?.status).toBe(200)
    expect(attempts).toMatchObject([
      { number: 1, lastEventId: '6', cursor: '6', error: undefined, first: undefined },
      {
        number: 2,
        lastEventId: '7',
        cursor: '7',
        error: { code: 'network', cause: lost, attempt: 1 },
      },
      { number: 3, lastEventId: '7', error: undefined, first },
      { number: 4, lastEventId: '7', error: { code: 'status', status: 503, attempt: 3 } },
      { number: 5, error: { status: 401 }, unauthorized: true },
    ])
    expect(attempts.map(({ unauthorized }) => unauthorized)).toEqual([
      ...[false, false, false, false, true],
    ])
    expect(attempts.map(({ sent }) => sent?.get('authorization'))).toEqual([
      ...[undefined, 'Bearer 1', 'Bearer 2', 'Bearer 3', 'Bearer 4'],
    ])
    for (const [index, { signal }] of attempts.entries()) {
      expect(signal).toBe(requests[index]?.signal)
      expect(signal.aborted).toBe(true)
    }
  })
})

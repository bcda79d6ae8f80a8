import { describe, expect, test, vi } from 'vitest'
import { type EventsOptions, events } from '../../src/faces/events'
import { answering, follow } from '../support/fetch'
import { failureOf } from '../support/play'
import { body, stream } from '../support/response'

const FEED = 'https://example.com/feed'
const SECRET = 's3cret'

/** The error, its message and its causes: what a log would hold. */
function log(error: unknown): string {
  return error instanceof Error ? `${error.stack} ${log(error.cause)}` : String(error)
}

const firstOf = (url: string, options?: EventsOptions): Promise<Error> =>
  failureOf(
    events(url, { retry: false, ...options })
      [Symbol.asyncIterator]()
      .next(),
  )

describe('a fetch that is unusable', () => {
  const BODY =
    'Expected a Response whose body is a ReadableStream, got none. Pass a fetch that streams'
  const eventStream = new Headers({ 'content-type': 'text/event-stream' })
  const rows: [string, unknown, string][] = [
    ['nothing', undefined, 'Expected fetch to return a Response, got undefined'],
    ['null', null, 'Expected fetch to return a Response, got object'],
    ['text', SECRET, 'Expected fetch to return a Response, got string'],
    ['parsed JSON', { token: SECRET }, 'Expected fetch to return a Response, got object'],
    [
      'headers as a record',
      { status: 200, headers: { 'content-type': 'text/event-stream' } },
      'Expected fetch to return a Response, got object',
    ],
    ['a body that is text', { status: 200, headers: eventStream, body: SECRET }, BODY],
    [
      'a body that is a Node stream',
      { status: 200, headers: eventStream, body: { on() {}, pipe() {} } },
      BODY,
    ],
    ['no word of a body', { status: 200, headers: eventStream }, BODY],
  ]
  test.each(rows)(
    'because it gives %s ends the stream without a retry',
    async (_, answer, message) => {
      const calls = vi.fn(async () => answer)
      const thrown = await firstOf(FEED, { fetch: calls as never, retry: {} })
      expect(thrown).toEqual(new TypeError(message))
      expect(log(thrown)).not.toContain(SECRET)
      expect(calls).toHaveBeenCalledTimes(1)
    },
  )

  test('because it throws at once is a network error, as if it had rejected', async () => {
    const cause = new Error('of the caller')
    const fetch = () => {
      throw cause
    }
    expect(await firstOf(FEED, { fetch })).toMatchObject({ code: 'network', cause })
  })
})

test('an error of the network names origin and path, and nothing else of the address', async () => {
  const { fetch } = answering(new Error(SECRET), new Error(SECRET))
  const url = `${FEED}?token=${SECRET}#${SECRET}`
  expect((await firstOf(url, { fetch })).message).toBe(
    `The request to ${FEED} failed: check the network, the URL, CORS and TLS; the runtime’s error is error.cause`,
  )
})

test('a resume function that finds nothing to go on from is named', async () => {
  const { fetch } = answering(stream(['data: 1\n\n']))
  const source = events(FEED, { fetch, resume: () => null })
  const iterator = source[Symbol.asyncIterator]()
  await iterator.next()
  source.reconnect()
  expect(await failureOf(iterator.next())).toMatchObject({
    code: 'unrepeatable',
    message: 'Expected resume to say where the stream goes on, got nothing',
  })
})

describe('a response that is no event stream', () => {
  const answer = (text: string | null, contentType: string, status = 200) =>
    new Response(text, { status, headers: contentType ? { 'content-type': contentType } : {} })
  const rows: [string, () => Response, object][] = [
    [
      'a login page with status 200',
      () => answer('<h1>Log in</h1>', 'text/html; charset=utf-8'),
      {
        code: 'content-type',
        status: 200,
        body: '<h1>Log in</h1>',
        message:
          'Expected content-type text/event-stream, got text/html; charset=utf-8: a login page, or the wrong URL?',
      },
    ],
    [
      'JSON',
      () => answer('{"error":"no"}', 'application/json'),
      {
        code: 'content-type',
        body: '{"error":"no"}',
        message: 'Expected content-type text/event-stream, got application/json',
      },
    ],
    [
      'a type that only begins like it',
      () => answer('', 'text/event-streams'),
      {
        code: 'content-type',
        message: 'Expected content-type text/event-stream, got text/event-streams',
      },
    ],
    [
      'no type',
      () => answer(null, ''),
      { code: 'content-type', message: 'Expected content-type text/event-stream, got none' },
    ],
    [
      'an error page',
      () => new Response('gone', { status: 410, statusText: 'Gone' }),
      { code: 'status', status: 410, body: 'gone', message: 'Expected status 200, got 410 Gone' },
    ],
    [
      'an event stream with another status',
      () => answer('data: 1\n\n', 'text/event-stream', 203),
      { code: 'status', status: 203, message: 'Expected status 200, got 203' },
    ],
  ]
  test.each(rows)('but %s says what came, and is not retried', async (_, make, expected) => {
    const { fetch, requests } = answering(make())
    const thrown = await firstOf(`${FEED}?token=${SECRET}`, {
      fetch,
      headers: { Authorization: SECRET },
      retry: {},
    })
    expect(thrown).toMatchObject({ name: 'SseError', retriable: false, attempt: 1, ...expected })
    expect(log(thrown)).not.toContain(SECRET)
    expect(requests.length).toBe(1)
  })

  test.each(['TEXT/Event-Stream', 'text/event-stream;charset=utf-8', ' text/event-stream ; x=y'])(
    'is not one of the type %s',
    async (contentType) => {
      const { fetch } = answering(answer('data: 1\n\n', contentType))
      const story: string[] = []
      await follow(events(FEED, { fetch, onEnd: 'complete' }), story)
      expect(story).toEqual(['message:1', 'done'])
    },
  )
})

describe('a stream that is odd', () => {
  const story = async (options: EventsOptions, ...chunks: (string | Uint8Array)[]) => {
    const lines: string[] = []
    const { fetch } = answering(stream(chunks))
    await follow(events(FEED, { fetch, onEnd: 'complete', ...options }), lines)
    return lines
  }

  test('with no body at all, or an empty one, is a complete stream without events', async () => {
    const headers = { 'content-type': 'text/event-stream' }
    for (const empty of [null, '', body([])]) {
      const { fetch } = answering(new Response(empty, { headers }))
      const lines: string[] = []
      await follow(events(FEED, { fetch, onEnd: 'complete' }), lines)
      expect(lines).toEqual(['done'])
    }
  })

  test('with a line that never ends stops at the limit', async () => {
    let pulls = 0
    const endless = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          const chunk = new Uint8Array(1024).fill(97)
          if (pulls++ === 0) chunk.set(new TextEncoder().encode('data: '))
          controller.enqueue(chunk)
        },
      },
      { highWaterMark: 0 },
    )
    const headers = { 'content-type': 'text/event-stream' }
    const { fetch, requests } = answering(new Response(endless, { headers }))
    const thrown = await firstOf(FEED, { fetch, retry: {}, maxEventSize: 10_000 })
    expect(thrown).toMatchObject({
      code: 'too-large',
      retriable: false,
      message:
        'Expected an event of at most 10000 characters, got more. Raise maxEventSize if the server is right',
    })
    expect([pulls, requests.length]).toEqual([10, 1])
  })

  test('with bytes that are no UTF-8 has replacement characters, and goes on', async () => {
    const broken = new Uint8Array(
      [...'data: '].map((c) => c.charCodeAt(0)).concat(0xff, 0xc3, 10, 10),
    )
    expect(await story({}, broken, 'data: 2\n\n')).toEqual([
      'message:\ufffd\ufffd',
      'message:2',
      'done',
    ])
  })

  test('with fields that nobody knows ignores them', async () => {
    expect(await story({}, 'foo: bar\ndata: 1\nnonsense\n\n{"a":1}\n\n')).toEqual([
      'message:1',
      'done',
    ])
  })
})

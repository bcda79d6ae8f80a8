import { describe, expect, test, vi } from 'vitest'
import { events } from '../../src/faces/events'
import type { Attempt, Resume } from '../../src/transport/request'
import { type Answer, answering, follow, type Sent } from '../support/fetch'
import {
  type AnyOptions,
  failureOf,
  from,
  idOf,
  lineOf,
  noContent,
  ownTheClock,
  play,
  prepare,
  reset,
  settled,
  status,
  storyOf,
} from '../support/play'
import { live, stream } from '../support/response'

ownTheClock()

const CHAT = 'https://example.com/v1/chat?key=1'
/** A first answer that comes from where the request went, or from elsewhere. */
const first = (chunks: string[], after?: 'end' | 'stall' | Error, url = CHAT): Response =>
  from(url, stream(chunks, after))
const cut = (id?: number) => first([`${id ? `id: ${id}\n` : ''}data: 1\n\n`], reset())
const chat: AnyOptions = { json: { q: 1 }, until: '[DONE]' }
const done = () => stream(['data: [DONE]\n\n'])

/** Runs to the end, and gives the requests as well as the story. */
async function requestsOf(answers: Answer[], options: AnyOptions): Promise<[Sent[], string[]]> {
  const { source, requests, story } = prepare(answers, options)
  const followed = follow(source, story)
  await vi.advanceTimersByTimeAsync(60_000)
  await followed
  return [requests, story]
}

describe('without resume', () => {
  test.each<[string, AnyOptions, Answer]>([
    ['has an ID', { ...chat }, cut(7)],
    ['is cut before its first event', { ...chat }, first([], reset())],
    ['is cut, with retry options', { ...chat, retry: { maxRetries: 5 } }, cut(7)],
    ['is cut, with a policy that would', { ...chat, retry: () => 0 }, cut(7)],
    ['ends before its end', { ...chat }, first(['id: 7\ndata: 1\n\n'])],
    ['is answered by 503', { ...chat }, status(503)],
    ['is lost on its way', { ...chat }, reset()],
  ])('a POST that %s is sent once', async (_, options, answer) => {
    const [requests, story] = await requestsOf([answer, done()], options)
    expect(requests.length).toBe(1)
    expect(story.at(-1)).toMatch(/^throws:/)
  })

  test('a policy is not asked about what must not be repeated', async () => {
    const asked = vi.fn(() => 0)
    await requestsOf([cut(7), done()], { ...chat, retry: asked })
    expect(asked).not.toHaveBeenCalled()
  })

  test.each(['GET', 'HEAD', 'OPTIONS', 'QUERY', 'REPORT', 'get'])(
    'a %s is repeated, with the last event ID',
    async (method) => {
      const [requests] = await requestsOf([cut(7), noContent()], { method })
      expect(requests.map(idOf)).toEqual([null, '7'])
    },
  )

  test.each(['PUT', 'PATCH', 'DELETE', 'FOO'])('a %s is not', async (method) => {
    const [requests, story] = await requestsOf([cut(7), noContent()], { method })
    expect([requests.length, story.at(-1)]).toEqual([1, 'throws:network'])
  })

  test('a GET with until is finite: it goes on from a place only, once an event has come', async () => {
    const rows: [Answer, AnyOptions, number, string][] = [
      [cut(), { until: '[DONE]' }, 1, 'throws:network'],
      [first(['data: 1\n\n']), { until: '[DONE]' }, 1, 'throws:truncated'],
      [cut(7), { until: '[DONE]' }, 2, 'done'],
      [cut(), { until: '[DONE]', cursor: ({ data }) => data }, 2, 'done'],
      [first([], reset()), { until: '[DONE]' }, 2, 'done'],
      [first([': hi\n\n'], reset()), { until: '[DONE]' }, 2, 'done'],
      [cut(), { until: '[DONE]', resume: 'same' }, 2, 'done'],
      [cut(), { until: '[DONE]', resume: () => '/on' }, 2, 'done'],
    ]
    for (const [answer, options, count, end] of rows) {
      const [requests, story] = await requestsOf([answer, done()], options)
      expect([requests.length, story.at(-1)]).toEqual([count, end])
    }
  })

  test('onEnd: reconnect of an unsafe method is a TypeError', () => {
    expect(() => prepare([], { method: 'POST', onEnd: 'reconnect' })).toThrow(TypeError)
    expect(() => prepare([], { method: 'POST', onEnd: 'reconnect', resume: 'same' })).not.toThrow()
    expect(() => prepare([], { onEnd: 'reconnect' })).not.toThrow()
  })
})

describe("resume: 'same'", () => {
  test('sends the same request with its place, cut or ended', async () => {
    const answers = [cut(7), first(['id: 8\ndata: 2\n\n']), done()]
    const [requests, story] = await requestsOf(answers, { ...chat, resume: 'same' })
    expect(requests.map(lineOf)).toEqual(Array(3).fill('POST /feed {"q":1}'))
    expect(requests.map(idOf)).toEqual([null, '7', '8'])
    expect(story.filter((line) => /^re|^done/.test(line))).toEqual([
      ...['reconnect:network:1000', 'reconnect:truncated:2000', 'done'],
    ])
  })

  test('also where no answer has come', async () => {
    const story = await storyOf([reset(), status(503), done()], { ...chat, resume: 'same' })
    expect(story).toEqual([
      ...['fetch', 'reconnect:network:1000', 'fetch', 'reconnect:503:2000', 'fetch', 'done'],
    ])
  })

  test('lets a POST stay connected: onEnd: reconnect', async () => {
    const answers = [first(['id: 1\ndata: 1\n\n']), noContent()]
    const [requests] = await requestsOf(answers, {
      json: {},
      resume: 'same',
      onEnd: 'reconnect',
    })
    expect(requests.map(idOf)).toEqual([null, '1'])
  })

  test('does not make a clean end of a POST another than complete', async () => {
    const [requests, story] = await requestsOf([first(['data: 1\n\n'])], {
      json: {},
      resume: 'same',
    })
    expect([requests.length, story.at(-1)]).toEqual([1, 'done'])
  })

  test('is held to no limit of two', async () => {
    const failing = Array.from({ length: 8 }, () => status(429))
    const [requests] = await requestsOf([...failing, done()], {
      ...chat,
      resume: 'same',
      retry: { delay: 100, factor: 1 },
    })
    expect(requests.length).toBe(9)
  })
})

describe('a resume function', () => {
  const resumed = async (
    resume: Resume,
    options: AnyOptions = {},
    answers: Answer[] = [cut(7), done()],
  ) => requestsOf(answers, { ...chat, resume, ...options })

  test.each<[string, ReturnType<Extract<Resume, (...args: never[]) => unknown>>, string]>([
    ['a path', '/runs/1', 'GET /runs/1'],
    [
      'a relative reference, against the URL of the first answer',
      '?after=7',
      'GET /v1/chat?after=7',
    ],
    ['a URL', new URL('https://example.com/x'), 'GET /x'],
    ['an absolute text', 'https://example.com/y', 'GET /y'],
    ['an object with an input', { input: '/z' }, 'GET /z'],
    ['one with a method', { input: '/z', method: 'PUT' }, 'PUT /z'],
    ['one with json', { input: '/z', json: { after: 7 } }, 'POST /z {"after":7}'],
    ['one with a body', { input: '/z', body: 'a=7' }, 'POST /z a=7'],
    ['a promise', Promise.resolve('/later'), 'GET /later'],
  ])('that returns %s', async (_, made, line) => {
    const [requests, story] = await resumed(() => made)
    expect(requests.map(lineOf)).toEqual(['POST /feed {"q":1}', line])
    expect(requests.map(idOf)).toEqual([null, '7'])
    expect(story.at(-1)).toBe('done')
  })

  test('is called when the attempt is made, after the wait, with all there is to know', async () => {
    const attempts: unknown[] = []
    const answer = cut(7)
    const { source, story } = prepare([answer, status(503), done()], {
      ...chat,
      headers: () => ({ Authorization: 'Bearer 1' }),
      resume: (attempt) => {
        attempts.push([Date.now() - began, attempt, attempt.first === answer])
        story.push('resume')
        return '/on'
      },
    })
    const began = Date.now()
    const followed = follow(source, story)
    await vi.advanceTimersByTimeAsync(60_000)
    await followed
    expect(story).toEqual([
      ...['fetch', 'message:1', 'reconnect:network:1000', 'resume', 'fetch:7'],
      ...['reconnect:503:2000', 'resume', 'fetch:7', 'done'],
    ])
    expect(attempts).toMatchObject([
      [1000, { number: 2, lastEventId: '7', cursor: '7', error: { code: 'network' } }, true],
      [3000, { number: 3, lastEventId: '7', cursor: '7', error: { status: 503 } }, true],
    ])
    const [, attempt] = attempts[0] as [number, Attempt]
    expect(attempt.sent?.get('authorization')).toBe('Bearer 1')
  })

  test('does what the docs show: POST once, then GET what its answer names', async () => {
    const answer = cut(7)
    answer.headers.set('location', '/runs/42')
    const [requests] = await resumed(
      ({ cursor, first }) => {
        const run = first.headers.get('location')
        return run && `${run}?after=${cursor}`
      },
      {},
      [answer, done()],
    )
    expect(requests.map(lineOf)).toEqual(['POST /feed {"q":1}', 'GET /runs/42?after=7'])
  })

  test('makes every request after the first accepted one, of a safe method, too', async () => {
    const answers = [reset(), cut(7), first(['id: 8\ndata: 2\n\n'], reset()), done()]
    const [requests] = await requestsOf(answers, {
      until: '[DONE]',
      resume: ({ cursor }) => `/on?${cursor}`,
    })
    expect(requests.map(lineOf)).toEqual(['GET /feed', 'GET /feed', 'GET /on?7', 'GET /on?8'])
  })

  test('gives no leave to repeat before an answer was accepted', async () => {
    const resume = vi.fn(() => '/on')
    for (const answer of [reset(), status(503), status(404)]) {
      const [requests] = await requestsOf([answer, done()], { ...chat, resume })
      expect(requests.length).toBe(1)
    }
    expect(resume).not.toHaveBeenCalled()
  })

  test.each([undefined, null])(
    'that returns %s: what ended the attempt is thrown, unrepeatable where nothing did',
    async (nothing) => {
      const [requests, story] = await resumed(() => nothing)
      expect([requests.length, story.at(-1)]).toEqual([1, 'throws:network'])

      const { source } = prepare([first([], 'stall')], { ...chat, resume: () => nothing })
      const next = failureOf(source[Symbol.asyncIterator]().next())
      await settled()
      source.reconnect()
      expect(await next).toMatchObject({ code: 'unrepeatable', attempt: 2 })
    },
  )

  test('the headers of the stream go with it, less Content-*', async () => {
    for (const headers of [
      { Authorization: 'Bearer 1', 'Content-Type': 'text/x', 'Content-Language': 'de' },
      () => ({ Authorization: 'Bearer 1', 'content-type': 'text/x' }),
    ]) {
      const [, second] = (await resumed(() => '/on', { headers }))[0]
      expect(Object.fromEntries(second?.headers ?? [])).toEqual({
        accept: 'text/event-stream',
        authorization: 'Bearer 1',
        'last-event-id': '7',
      })
    }
  })

  test('an object with a body keeps the content type of the stream, one with json has its own', async () => {
    const headers = { 'Content-Type': 'text/x' }
    const [, second] = (await resumed(() => ({ input: '/z', body: 'x' }), { headers }))[0]
    expect(second?.headers.get('content-type')).toBe('text/x')
    const [, other] = (await resumed(() => ({ input: '/z', json: 1 })))[0]
    expect(other?.headers.get('content-type')).toBe('application/json')
  })

  test('an object with headers has those alone', async () => {
    const called = vi.fn(() => ({ Authorization: 'Bearer 1' }))
    const resume = () => ({ input: '/z', headers: { 'X-Own': '1', 'Content-Type': 'text/y' } })
    const [[, second]] = await resumed(resume, { headers: called })
    expect(Object.fromEntries(second?.headers ?? [])).toEqual({
      accept: 'text/event-stream',
      'content-type': 'text/y',
      'last-event-id': '7',
      'x-own': '1',
    })
    expect(called).toHaveBeenCalledTimes(1)
  })

  test('an object may name a Last-Event-ID of its own, or none', async () => {
    const own = ({ cursor }: Attempt) => ({
      input: '/z',
      headers: { 'Last-Event-ID': `at-${cursor}` },
    })
    expect((await resumed(own))[0].map(idOf)).toEqual([null, 'at-7'])
    const none = () => ({ input: '/z', headers: { 'Last-Event-ID': null } })
    expect((await resumed(none))[0].map(idOf)).toEqual([null, null])
  })

  test('may not take the headers of the stream to another origin', async () => {
    const elsewhere = 'https://evil.example/run'
    for (const made of [elsewhere, { input: elsewhere }, { input: elsewhere, json: {} }]) {
      const { source } = prepare([cut(7), done()], { ...chat, resume: () => made })
      const iterator = source[Symbol.asyncIterator]()
      await iterator.next()
      const failed = failureOf(iterator.next())
      await vi.advanceTimersByTimeAsync(1000)
      expect(await failed).toMatchObject({
        code: 'redirect',
        location: elsewhere,
        retriable: false,
        attempt: 2,
      })
    }
  })

  test('nor where the first answer came from there', async () => {
    const answer = first(['id: 7\ndata: 1\n\n'], reset(), 'https://cdn.example/chat')
    const [requests, story] = await resumed(() => '?after=7', {}, [answer, done()])
    expect([requests.length, story.at(-1)]).toEqual([1, 'throws:redirect'])
  })

  test('may go to another origin with headers of its own', async () => {
    const made = { input: 'https://other.example/run', headers: { 'X-Own': '1' } }
    const [[, second]] = await resumed(() => made, { headers: { Authorization: 'secret' } })
    expect(second?.url).toBe('https://other.example/run')
    expect(second?.headers.has('authorization')).toBe(false)
  })

  test('may name a path where a fetch of the caller’s knows what that is relative to', async () => {
    const { fetch, requests } = answering(stream(['data: 1\n\n'], reset()), done())
    const options = { json: { q: 1 }, until: '[DONE]', fetch, resume: () => '/on' }
    const source = events('/chat', options)
    const story: string[] = []
    const followed = follow(source, story)
    await vi.advanceTimersByTimeAsync(60_000)
    await followed
    expect([requests.map(({ url }) => url), story.at(-1)]).toEqual([['/chat', '/on'], 'done'])
  })

  test('that fails is judged as any function of the request', async () => {
    const [, story] = await resumed(() => Promise.reject(new TypeError('fetch failed')), {
      retry: { maxRetries: 1 },
    })
    expect(story.slice(2)).toEqual(['reconnect:network:1000', 'throws:network'])
    const failing = () => Promise.reject({ status: 403 })
    expect((await resumed(failing))[1].at(-1)).toBe('throws:auth')
  })

  test('that hangs is ended by connectTimeout', async () => {
    const [, story] = await resumed(() => new Promise(() => {}), {
      connectTimeout: 500,
      retry: { maxRetries: 1 },
    })
    expect(story.slice(2)).toEqual(['reconnect:network:1000', 'throws:timeout'])
  })

  test('goes on though the body of the first request could be sent only once', async () => {
    const [requests] = await resumed(() => '/on', { json: undefined, body: live().response.body })
    expect(requests.map(({ method, url }) => [method, new URL(url).pathname])).toEqual([
      ['POST', '/feed'],
      ['GET', '/on'],
    ])
  })

  test('is the caller’s word for reconnect() and fail(), too', async () => {
    for (const way of ['reconnect', 'fail'] as const) {
      const run = await play([first(['id: 7\ndata: 1\n\n'], 'stall'), done()], {
        ...chat,
        resume: () => '/on',
      })
      run.source[way]('')
      await vi.advanceTimersByTimeAsync(1000)
      await run.followed
      expect(run.requests.map(lineOf)).toEqual(['POST /feed {"q":1}', 'GET /on'])
    }
  })
})

describe('a new iteration', () => {
  const resume: Resume = ({ cursor, number }) => `/on?after=${cursor}&n=${number}`

  test('after a break goes on by resume: it does not start the run again', async () => {
    const { source, requests, story } = prepare(
      [first(['id: 7\ndata: 1\n\n', 'data: 2\n\n'], 'stall'), done()],
      { ...chat, resume },
    )
    for await (const _ of source) break
    await follow(source, story)
    expect(requests.map(lineOf)).toEqual(['POST /feed {"q":1}', 'GET /on?after=7&n=1'])
  })

  test('after a failure, too', async () => {
    const { source, requests, story } = prepare([cut(7), done()], { ...chat, resume, retry: false })
    await follow(source, story)
    await follow(source, story)
    expect(requests.map(lineOf)).toEqual(['POST /feed {"q":1}', 'GET /on?after=7&n=1'])
  })

  test('after the complete end begins anew, with the place kept and first forgotten', async () => {
    const seen: unknown[] = []
    const { source, requests, story } = prepare(
      [first(['id: 7\ndata: 1\n\n', 'data: [DONE]\n\n']), noContent()],
      {
        ...chat,
        resume,
        headers: ({ first: response, cursor }) => {
          seen.push([response, cursor])
          return {}
        },
      },
    )
    await follow(source, story)
    await follow(source, story)
    expect(requests.map(lineOf)).toEqual(['POST /feed {"q":1}', 'POST /feed {"q":1}'])
    expect(requests.map(idOf)).toEqual([null, '7'])
    expect(seen).toEqual([
      [undefined, ''],
      [undefined, '7'],
    ])
  })

  test('has the first response of the whole stream at hand', async () => {
    const answer = first(['id: 7\ndata: 1\n\n'], 'stall')
    const seen: unknown[] = []
    const { source, story } = prepare([answer, first(['id: 8\ndata: 2\n\n'], 'stall'), done()], {
      ...chat,
      resume: ({ first: response }) => {
        seen.push(response)
        return '/on'
      },
    })
    for await (const _ of source) break
    for await (const _ of source) break
    await follow(source, story)
    expect(seen).toEqual([answer, answer])
  })

  test.each([undefined, null, ''])('that finds nothing (%j) is unrepeatable', async (nothing) => {
    const { source } = prepare([first(['id: 7\ndata: 1\n\n'], 'stall')], {
      ...chat,
      resume: () => nothing,
    })
    for await (const _ of source) break
    expect(await failureOf(source[Symbol.asyncIterator]().next())).toMatchObject({
      code: 'unrepeatable',
      attempt: 1,
    })
  })
})

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { EventSource } from '../../src/faces/event-source'
import { type EventsOptions, events } from '../../src/faces/events'
import { answering, follow } from '../support/fetch'
import { live, stream } from '../support/response'

const MINUTE = 60_000

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(Math, 'random').mockReturnValue(0)
})
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
  vi.restoreAllMocks()
})

/** The machine sleeps: the clock goes on, and no timer runs until it wakes. */
async function sleep(time: number): Promise<void> {
  vi.setSystemTime(Date.now() + time)
  // The next look at the clock.
  await vi.advanceTimersByTimeAsync(10_000)
}

/** What a stream does: the events it gives, and its requests by method and last event ID. */
function watch(answers: Parameters<typeof answering>, options: EventsOptions = {}) {
  const { fetch, requests } = answering(...answers)
  const story: string[] = []
  const told: unknown[] = []
  const source = events('http://x/', {
    fetch,
    onReconnect: (reconnect) => told.push(reconnect),
    ...options,
  })
  const followed = follow(source, story)
  const asked = () =>
    requests.map(({ method, headers }) => `${method} ${headers.get('last-event-id') ?? ''}`.trim())
  const close = async () => {
    source.close()
    await followed
  }
  return { source, story, told, asked, close }
}

const open = (wire: string) => () => stream([wire], 'stall')
const one = open('id: 1\ndata: 1\n\n')

describe('a machine that slept ten minutes makes one more request, with its place,', () => {
  test.each<[string, EventsOptions]>([
    ['by itself', {}],
    ['whatever idleTimeout says', { idleTimeout: 60 * MINUTE }],
    ['whatever retry says', { retry: false }],
    ['whatever connectTimeout says', { connectTimeout: 60 * MINUTE }],
  ])('%s', async (_, options) => {
    const { story, told, asked, close } = watch([one, open('data: 2\n\n')], options)
    await vi.advanceTimersByTimeAsync(MINUTE)
    expect(asked()).toEqual(['GET'])
    await sleep(10 * MINUTE)
    expect(asked()).toEqual(['GET', 'GET 1'])
    await vi.advanceTimersByTimeAsync(10 * MINUTE)
    expect(asked()).toEqual(['GET', 'GET 1'])
    // It is no failure.
    expect([story, told]).toEqual([['message:1', 'message:2'], []])
    await close()
  })

  test('where the request was not answered yet', async () => {
    const { asked, close } = watch(['silence', one], { lastEventId: '7' })
    await vi.advanceTimersByTimeAsync(MINUTE)
    await sleep(10 * MINUTE)
    expect(asked()).toEqual(['GET 7', 'GET 7'])
    await close()
  })

  test('where its token was being made', async () => {
    let calls = 0
    const headers = () => (++calls === 1 ? new Promise<never>(() => {}) : {})
    const { asked, close } = watch([one], { headers })
    await vi.advanceTimersByTimeAsync(MINUTE)
    await sleep(10 * MINUTE)
    expect([calls, asked()]).toEqual([2, ['GET']])
    await close()
  })

  test('by EventSource too, and without an error event', async () => {
    const { fetch, requests } = answering(one, open('data: 2\n\n'))
    const source = new EventSource('http://x/', { fetch })
    const told: string[] = []
    source.onmessage = ({ data }) => told.push(data)
    source.onerror = () => told.push('error')
    await vi.advanceTimersByTimeAsync(MINUTE)
    await sleep(10 * MINUTE)
    expect(told).toEqual(['1', '2'])
    expect(requests.map(({ headers }) => headers.get('last-event-id'))).toEqual([null, '1'])
    source.close()
  })
})

describe('it makes none', () => {
  test('for less than a minute and a half', async () => {
    const { asked, close } = watch([one])
    await vi.advanceTimersByTimeAsync(MINUTE)
    await sleep(75_000)
    expect(asked()).toEqual(['GET'])
    await close()
  })

  test('for a hidden page, whose timers run once a minute', async () => {
    const { asked, close } = watch([one])
    for (let minute = 0; minute < 10; minute++) await sleep(50_000)
    expect(asked()).toEqual(['GET'])
    await close()
  })

  test('for a connection that brought something since', async () => {
    const line = live()
    const { story, asked, close } = watch([() => line.response])
    await vi.advanceTimersByTimeAsync(MINUTE)
    vi.setSystemTime(Date.now() + 10 * MINUTE)
    line.write('data: 1\n\n')
    await vi.advanceTimersByTimeAsync(0)
    await vi.advanceTimersByTimeAsync(10_000)
    expect([story, asked()]).toEqual([['message:1'], ['GET']])
    await close()
  })

  test('while the consumer does not ask for more', async () => {
    const { fetch, requests } = answering(one)
    const source = events('http://x/', { fetch })
    const iterator = source[Symbol.asyncIterator]()
    await iterator.next()
    await sleep(10 * MINUTE)
    expect([requests.length, source.status]).toEqual([1, 'open'])
    source.close()
  })

  test.each<[string, EventsOptions]>([
    ['a POST, which it may not repeat', { json: 1 }],
    ['an answer that began, without a place', { until: '[DONE]' }],
    ['a body that was sent', { body: new Blob(['x']).stream(), resume: 'same' }],
  ])('for %s', async (_, options) => {
    const { source, asked, close } = watch([open('data: 1\n\n')], options)
    await vi.advanceTimersByTimeAsync(MINUTE)
    await sleep(10 * MINUTE)
    expect([asked().length, source.status]).toEqual([1, 'open'])
    await close()
  })
})

test('a POST goes on by its resume', async () => {
  const { asked, close } = watch([one, open('data: 2\n\n')], { json: 1, resume: () => '/on' })
  await vi.advanceTimersByTimeAsync(MINUTE)
  await sleep(10 * MINUTE)
  expect(asked()).toEqual(['POST', 'GET 1'])
  await close()
})

test('what has been read before it is delivered first', async () => {
  const line = live()
  const { fetch, requests } = answering(() => line.response, open('id: 4\ndata: 4\n\n'))
  const source = events('http://x/', { fetch })
  const iterator = source[Symbol.asyncIterator]()
  const first = iterator.next()
  await vi.advanceTimersByTimeAsync(0)
  line.write('id: 1\ndata: 1\n\nid: 2\ndata: 2\n\n')
  await first
  const next = [iterator.next(), iterator.next()]
  await vi.advanceTimersByTimeAsync(MINUTE)
  await sleep(10 * MINUTE)
  expect((await Promise.all(next)).map(({ value }) => value?.data)).toEqual(['2', '4'])
  expect(requests.map(({ headers }) => headers.get('last-event-id'))).toEqual([null, '2'])
  source.close()
})

test('the wait for a retry ends by the clock, not sooner than the server asked', async () => {
  const busy = new Response(null, { status: 503, headers: { 'retry-after': '1200' } })
  const { asked, close } = watch([busy, one])
  await vi.advanceTimersByTimeAsync(MINUTE)
  await sleep(10 * MINUTE)
  expect(asked()).toEqual(['GET'])
  await vi.advanceTimersByTimeAsync(20 * MINUTE)
  expect(asked()).toEqual(['GET', 'GET'])
  await close()
})

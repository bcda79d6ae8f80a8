import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type EventsOptions, events } from '../../src/faces/events'
import { type Act, act, FakePage } from '../support/fake-page'
import { follow } from '../support/fetch'
import { type AnyOptions, FEED, ownTheClock, reset, status } from '../support/play'
import { live } from '../support/response'

// What a session does about the page and the machine it runs on.

/** What an attempt meets: a body the test writes, a failure, a status, or no answer. */
type Answer = ReturnType<typeof live> | Error | Response | 'silence'

let began = 0
ownTheClock()
beforeEach(() => {
  began = Date.now()
})
afterEach(() => void vi.unstubAllGlobals())

/** A `fetch` that writes its attempts down, and whether one comes while another is connected. */
function attempts(story: string[], answers: Answer[]): NonNullable<EventsOptions['fetch']> {
  let connected: AbortSignal | undefined
  let count = 0
  return async (_url, init) => {
    const signal = init.signal as AbortSignal
    const id = new Headers(init.headers).get('last-event-id')
    story.push(`fetch${id ? `:${id}` : ''}@${Date.now() - began}`)
    if (connected?.aborted === false) story.push('a second connection')
    const answer = answers[count++] ?? 'silence'
    if (answer instanceof Error) throw answer
    if (answer instanceof Response) return answer
    connected = signal
    signal.addEventListener('abort', () => story.push('drop'))
    if (answer !== 'silence') return answer.response
    return new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason))
    })
  }
}

/** Lives through the acts; nothing is left when the stream is closed. */
async function iterate(
  acts: Act[],
  { page, answers = [], ...options }: AnyOptions & { page?: FakePage; answers?: Answer[] },
): Promise<string[]> {
  began = Date.now()
  const story: string[] = []
  const given: AnyOptions = {
    onReconnect: ({ error, delay }) => story.push(`wait:${error?.code ?? 'end'}:${delay}`),
    ...options,
    fetch: attempts(story, answers),
  }
  const source = events(FEED, given as object)
  const followed = follow(source, story)
  await act(page, [0, ...acts], story)
  source.close()
  await followed
  expect(page?.listeners ?? 0).toBe(0)
  while (/^(drop|done)$/.test(story.at(-1) ?? '')) story.pop()
  return story
}

/** A connection that brought an event with this ID, and stays open. */
function open(id?: number): ReturnType<typeof live> {
  const body = live()
  body.write(`${id ? `id: ${id}\n` : ''}data: ${id ?? 'x'}\n\n`)
  return body
}

describe('the back/forward cache', () => {
  test('takes the page: no connection meanwhile, one at once after it, from the last ID', async () => {
    const acts: Act[] = ['freeze', 60_000, 'thaw', 5000]
    const told = await iterate(acts, { page: new FakePage(), answers: [open(1), open(2)] })
    expect(told).toEqual([
      ...['fetch@0', 'message:1', 'freeze', 'drop', 'thaw', 'fetch:1@60000', 'message:2'],
    ])
  })

  test('the stream is connecting meanwhile, not waiting, and nothing has failed', async () => {
    const page = new FakePage()
    const story: string[] = []
    const source = events(FEED, { fetch: attempts(story, [open(1)]) })
    const followed = follow(source, story)
    await act(page, [0, 'freeze', 1000], story)
    expect([source.status, source.failures, source.response]).toEqual(['connecting', 0, undefined])
    source.close()
    await followed
    expect(page.listeners).toBe(0)
  })

  test('takes a request back that has no answer', async () => {
    const told = await iterate(['freeze', 100, 'thaw'], { page: new FakePage() })
    expect(told).toEqual(['fetch@0', 'freeze', 'drop', 'thaw', 'fetch@100'])
  })

  test('makes one connection however often it is passed', async () => {
    const acts: Act[] = ['freeze', 'thaw', 'freeze', 'thaw', 5000]
    const told = await iterate(acts, { page: new FakePage() })
    expect(told).toEqual([
      ...['fetch@0', 'freeze', 'drop', 'thaw', 'fetch@0', 'freeze', 'drop', 'thaw', 'fetch@0'],
    ])
  })

  test('what has been read is delivered first', async () => {
    const page = new FakePage()
    const story: string[] = []
    const body = live()
    const source = events(FEED, { fetch: attempts(story, [body, open(3)]) })
    const iterator = source[Symbol.asyncIterator]()
    body.write('id: 1\ndata: 1\n\nid: 2\ndata: 2\n\n')
    const take = async () => story.push(`message:${(await iterator.next()).value?.data}`)
    await take()
    await act(page, ['freeze', 100], story)
    await take()
    const next = take()
    await act(page, [100, 'thaw', 100], story)
    await next
    source.close()
    expect(story.slice(0, -1)).toEqual([
      ...[
        'fetch@0',
        'message:1',
        'freeze',
        'drop',
        'message:2',
        'thaw',
        'fetch:2@200',
        'message:3',
      ],
    ])
  })

  test('comes back unnoticed while a slow consumer thinks: the next pull connects', async () => {
    const page = new FakePage()
    const story: string[] = []
    const source = events(FEED, { fetch: attempts(story, [open(1), open(2)]) })
    const iterator = source[Symbol.asyncIterator]()
    await iterator.next()
    await act(page, ['freeze', 100, 'thaw', 100], story)
    const { value } = await iterator.next()
    story.push(`message:${value?.data}`)
    source.close()
    expect(story).toEqual([
      ...['fetch@0', 'freeze', 'drop', 'thaw', 'fetch:1@200', 'message:2', 'drop'],
    ])
    expect(page.listeners).toBe(0)
  })

  test('is no leave to repeat what must not be', async () => {
    const rows: [string, AnyOptions, Answer, boolean][] = [
      ['a POST', { method: 'POST' }, open(1), false],
      ['a POST with retry', { method: 'POST', retry: {} }, open(1), false],
      ['a POST that is not answered', { method: 'POST' }, 'silence', false],
      ["a POST with resume: 'same'", { method: 'POST', resume: 'same' }, open(1), true],
      ['a POST with a resume function', { method: 'POST', resume: () => '/on' }, open(1), true],
      ['one that is not answered', { method: 'POST', resume: () => '/on' }, 'silence', false],
      ['a finite GET with an event and no place', { until: 'end' }, open(), false],
      ['a finite GET without an event', { until: 'end' }, live(), true],
      ['a finite GET with a place', { until: 'end' }, open(1), true],
      ['a GET with retry: false', { retry: false }, open(1), true],
      [
        'a body that can be sent once only',
        { method: 'QUERY', body: live().response.body },
        open(1),
        false,
      ],
    ]
    for (const [what, options, answer, dropped] of rows) {
      const acts: Act[] = ['freeze', 100, 'thaw', 5000]
      const told = await iterate(acts, { page: new FakePage(), answers: [answer], ...options })
      const fetches = told.filter((line) => line.startsWith('fetch')).length
      expect([what, told.includes('drop'), fetches]).toEqual([what, dropped, dropped ? 2 : 1])
    }
  })

  test('a wait goes on meanwhile, and so does the count', async () => {
    const acts: Act[] = [500, 'freeze', 100, 'thaw', 1000]
    const told = await iterate(acts, { page: new FakePage(), answers: [reset(), reset()] })
    expect(told).toEqual([
      ...['fetch@0', 'wait:network:1000', 'freeze', 'thaw', 'fetch@1100', 'wait:network:2000'],
    ])
  })

  test('a wait that ends meanwhile is followed by an attempt when the page is back', async () => {
    const acts: Act[] = [500, 'freeze', 60_000, 'thaw']
    const told = await iterate(acts, { page: new FakePage(), answers: [reset()] })
    expect(told).toEqual(['fetch@0', 'wait:network:1000', 'freeze', 'thaw', 'fetch@60500'])
  })

  test('nothing is left when the stream is closed meanwhile', async () => {
    const told = await iterate(['freeze', 100], { page: new FakePage(), answers: [open(1)] })
    expect(told).toEqual(['fetch@0', 'message:1', 'freeze'])
  })

  test('a stream that is begun while the page is there is not held by one before it', async () => {
    const page = new FakePage()
    await iterate(['freeze'], { page, answers: [open(1)] })
    expect(await iterate([100], { page })).toEqual(['fetch@0'])
  })
})

describe('a page that is left', () => {
  test('keeps its connection until it is gone, or stays', async () => {
    const told = await iterate(['leave', 100, 'load'], { page: new FakePage(), answers: [open(1)] })
    expect(told).toEqual(['fetch@0', 'message:1', 'leave', 'load'])
  })

  test('is told nothing of a connection that breaks meanwhile: no banner flashes', async () => {
    const body = open(1)
    const asked = vi.fn(({ delay }) => delay)
    const acts: Act[] = ['leave', () => body.fail(reset()), 10_000]
    const told = await iterate(acts, { page: new FakePage(), answers: [body], retry: asked })
    expect(told).toEqual(['fetch@0', 'message:1', 'leave'])
    expect(asked).not.toHaveBeenCalled()
  })

  test('nor of one that breaks just before it, as Firefox and Safari have it', async () => {
    const body = open(1)
    const acts: Act[] = [() => body.fail(reset()), 99, 'leave', 10_000]
    const told = await iterate(acts, { page: new FakePage(), answers: [body] })
    expect(told).toEqual(['fetch@0', 'message:1', 'drop', 'leave'])
  })

  test('hears of it when it comes back', async () => {
    const body = open(1)
    const acts: Act[] = ['leave', () => body.fail(reset()), 10_000, 'load', 1000]
    const told = await iterate(acts, { page: new FakePage(), answers: [body] })
    expect(told).toEqual([
      ...['fetch@0', 'message:1', 'leave', 'drop', 'load', 'wait:network:1000', 'fetch:1@11000'],
    ])
  })

  test('a lost connection is believed after 100 ms; a clean end and a refusal at once', async () => {
    const lost = open(1)
    const acts: Act[] = [() => lost.fail(reset()), 99, () => story.push('99 ms'), 1]
    const story: string[] = []
    const source = events(FEED, {
      fetch: attempts(story, [lost]),
      onReconnect: ({ error }) => story.push(`wait:${error?.code}`),
    })
    const page = new FakePage()
    const followed = follow(source, story)
    await act(page, [0, ...acts], story)
    source.close()
    await followed
    expect(story.filter((line) => /^9|^wait/.test(line))).toEqual(['99 ms', 'wait:network'])

    const ended = open(1)
    const rest = await iterate([() => ended.end()], { page, answers: [ended] })
    expect(rest).toEqual(['fetch@0', 'message:1', 'drop', 'wait:end:1000'])
    expect(await iterate([], { page, answers: [status(503)] })).toEqual([
      ...['fetch@0', 'wait:status:1000'],
    ])
  })

  test('where there is no page it is believed at once', async () => {
    const lost = open(1)
    expect(await iterate([() => lost.fail(reset())], { answers: [lost] })).toEqual([
      ...['fetch@0', 'message:1', 'drop', 'wait:network:1000'],
    ])
  })
})

describe('the network', () => {
  test('offline is no reason not to ask: a server on this machine answers', async () => {
    const told = await iterate([100], { page: new FakePage({ onLine: false }), answers: [open(1)] })
    expect(told).toEqual(['fetch@0', 'message:1'])
  })

  test('that returns cuts a wait short, and offline makes none longer', async () => {
    const acts: Act[] = [500, 'offline', 100, 'online', 5000]
    const told = await iterate(acts, { page: new FakePage(), answers: [reset()] })
    expect(told).toEqual(['fetch@0', 'wait:network:1000', 'offline', 'online', 'fetch@600'])
    const without: Act[] = [500, 'offline', 5000]
    const on = await iterate(without, { page: new FakePage(), answers: [reset()] })
    expect(on).toEqual(['fetch@0', 'wait:network:1000', 'offline', 'fetch@1100'])
  })

  test('spread over a second: a thousand pages do not ask at once', async () => {
    vi.mocked(Math.random).mockReturnValue(0.75)
    const page = new FakePage()
    const story: string[] = []
    const source = events(FEED, {
      fetch: attempts(story, [reset()]),
      retry: { delay: 8000, jitter: 0 },
    })
    const followed = follow(source, story)
    await act(page, [500, 'online'], story)
    expect(source.retryAt).toBe(Date.now() + 750)
    await act(page, [749, () => story.push('749 ms'), 1], story)
    source.close()
    await followed
    expect(story).toEqual(['fetch@0', 'online', '749 ms', 'fetch@1250', 'drop', 'done'])
  })

  test('makes no wait longer', async () => {
    vi.mocked(Math.random).mockReturnValue(0.5)
    const acts: Act[] = [900, 'online', 5000]
    const told = await iterate(acts, {
      page: new FakePage(),
      answers: [reset()],
      retry: { jitter: 0 },
    })
    expect(told.at(-1)).toBe('fetch@1100')
  })

  test('never cuts it below what the server asked', async () => {
    const rows: Answer[] = [status(503, { 'retry-after': '10' }), open()]
    const asking = rows[1] as ReturnType<typeof live>
    asking.write('retry: 10000\n')
    asking.end()
    for (const answer of rows) {
      const acts: Act[] = [500, 'online', 20_000]
      const told = await iterate(acts, { page: new FakePage(), answers: [answer] })
      expect(told.at(-1)).toBe('fetch@10000')
    }
  })

  test('does nothing to a connection that outlives it, nor to a policy’s thought', async () => {
    const acts: Act[] = ['offline', 100, 'online', 100]
    const told = await iterate(acts, { page: new FakePage(), answers: [open(1)] })
    expect(told).toEqual(['fetch@0', 'message:1', 'offline', 'online'])
    const thinking = await iterate(acts, {
      page: new FakePage(),
      answers: [status(503)],
      retry: () => new Promise<number>(() => {}),
    })
    expect(thinking).toEqual(['fetch@0', 'offline', 'online'])
  })

  test('is heard of in a worker, and nothing else is', async () => {
    const page = new FakePage()
    vi.stubGlobal('document', undefined)
    const acts: Act[] = [500, 'online', 5000]
    expect(await iterate(acts, { page, answers: [reset()] })).toEqual([
      ...['fetch@0', 'wait:network:1000', 'online', 'fetch@500'],
    ])
    expect(await iterate(['freeze', 100], { page, answers: [open(1)] })).toEqual([
      ...['fetch@0', 'message:1', 'freeze'],
    ])
  })

  test('a runtime without events of its own is asked for none', async () => {
    const page = new FakePage()
    for (const name of ['addEventListener', 'removeEventListener']) vi.stubGlobal(name, undefined)
    vi.stubGlobal('document', undefined)
    expect(await iterate(['online'], { page, answers: [open(1)] })).toEqual([
      ...['fetch@0', 'message:1', 'online'],
    ])
  })
})

describe('a machine that sleeps', () => {
  const HOUR = 3_600_000
  /** Sleeps: no timer runs, and the wall clock goes on. */
  const sleep =
    (time = HOUR) =>
    () => {
      vi.setSystemTime(Date.now() + time)
      began += time
    }
  const fetches = (story: string[]) => story.map((line) => line.replace(/(fetch.*)@.*/, '$1'))

  test('has its connection made anew at the next look, with its place, whatever idleTimeout says', async () => {
    for (const idleTimeout of [undefined, 6 * HOUR]) {
      const answers = [open(1), open(2)]
      const told = await iterate([5000, sleep(), 10_000], { answers, idleTimeout })
      expect(fetches(told)).toEqual(['fetch', 'message:1', 'drop', 'fetch:1', 'message:2'])
    }
  })

  test('at once, where the page is seen', async () => {
    const page = new FakePage({ hidden: true })
    const told = await iterate([5000, sleep(), 'show'], { page, answers: [open(1), open(2)] })
    expect(fetches(told)).toEqual(['fetch', 'message:1', 'show', 'drop', 'fetch:1', 'message:2'])
  })

  test('has a request made anew that had no answer', async () => {
    expect(fetches(await iterate([5000, sleep(), 10_000], {}))).toEqual(['fetch', 'drop', 'fetch'])
  })

  test('keeps a connection that brings something after the wake', async () => {
    const body = open(1)
    const acts: Act[] = [5000, sleep(), () => body.write(': here\n\n'), 25_000]
    expect(await iterate(acts, { answers: [body] })).toEqual(['fetch@0', 'message:1'])
  })

  test('is told from a short look at another tab, and from a hidden page, whose timers come once a minute', async () => {
    for (const gap of [30_000, 60_000, 79_000]) {
      const acts: Act[] = [5000, sleep(gap), 10_000]
      expect(await iterate(acts, { answers: [open(1)] })).toEqual(['fetch@0', 'message:1'])
    }
    const acts: Act[] = [5000, sleep(100_000), 10_000]
    expect(fetches(await iterate(acts, { answers: [open(1)] }))).toContain('fetch:1')
  })

  test('is told from a consumer that does not ask for more', async () => {
    const story: string[] = []
    const source = events(FEED, { fetch: attempts(story, [open(1)]) })
    await source[Symbol.asyncIterator]().next()
    await act(undefined, [5000, sleep(), 25_000], story)
    expect(story).toEqual(['fetch@0'])
    source.close()
  })

  test('is no leave to repeat what must not be: that is left alone', async () => {
    for (const options of [{ method: 'POST' }, { until: 'end' }] as AnyOptions[]) {
      const acts: Act[] = [5000, sleep(), 25_000]
      expect(await iterate(acts, { answers: [open()], ...options })).toEqual([
        'fetch@0',
        'message:x',
      ])
    }
    const resumed = await iterate([5000, sleep(), 25_000], {
      answers: [open(1)],
      method: 'POST',
      resume: 'same',
    })
    expect(fetches(resumed)).toContain('fetch:1')
  })

  test('does not disturb a wait, whose timer is late by itself', async () => {
    const acts: Act[] = [500, sleep(), 400, 200]
    const told = await iterate(acts, { answers: [reset()] })
    expect(told).toEqual(['fetch@0', 'wait:network:1000', 'fetch@1000'])
  })
})

test('one timer does for all sessions, and none for none', async () => {
  const sources = [1, 2, 3].map(() => events(FEED, { fetch: attempts([], [open(1)]) }))
  await Promise.all(sources.map((source) => source[Symbol.asyncIterator]().next()))
  expect(vi.getTimerCount()).toBe(1)
  for (const source of sources) source.close()
  expect(vi.getTimerCount()).toBe(0)
})

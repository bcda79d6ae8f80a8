import { getEventListeners } from 'node:events'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { EventSource, type EventSourceInit } from '../src/event-source'
import { type EventsOptions, events } from '../src/events'
import { follow } from './support/fetch'
import { live } from './support/response'

const FEED = 'https://example.com/feed'
const TYPES = ['visibilitychange', 'online', 'offline', 'pagehide', 'pageshow']

/** What an attempt meets: a body the test writes, a failure, a status, or no answer. */
type Answer = ReturnType<typeof live> | Error | Response | 'silence'

/** A page as far as a stream looks at it. */
class Page {
  readonly document: EventTarget & { hidden: boolean }
  readonly window = new EventTarget()
  readonly navigator: { onLine?: boolean }

  constructor({ hidden = false, onLine = true } = {}) {
    this.document = Object.assign(new EventTarget(), { hidden })
    this.navigator = { onLine }
    vi.stubGlobal('document', this.document)
    vi.stubGlobal('navigator', this.navigator)
    for (const name of ['addEventListener', 'removeEventListener'] as const) {
      vi.stubGlobal(name, this.window[name].bind(this.window))
    }
  }

  #turn(hidden: boolean): void {
    this.document.hidden = hidden
    this.document.dispatchEvent(new Event('visibilitychange'))
  }
  #connect(onLine: boolean): void {
    this.navigator.onLine = onLine
    this.window.dispatchEvent(new Event(onLine ? 'online' : 'offline'))
  }
  #pass(type: string, persisted: boolean): void {
    this.window.dispatchEvent(Object.assign(new Event(type), { persisted }))
  }

  readonly does = {
    hide: () => this.#turn(true),
    show: () => this.#turn(false),
    offline: () => this.#connect(false),
    online: () => this.#connect(true),
    // In the order of browsers.
    freeze: () => {
      this.#pass('pagehide', true)
      this.#turn(true)
    },
    thaw: () => {
      this.#turn(false)
      this.#pass('pageshow', true)
    },
    leave: () => this.#pass('pagehide', false),
    load: () => this.#pass('pageshow', false),
  }

  get listeners(): number {
    return [this.document, this.window]
      .flatMap((target) => TYPES.map((type) => getEventListeners(target, type).length))
      .reduce((sum, count) => sum + count, 0)
  }
}

/** What happens, in order: the page does something, or a number of milliseconds pass. */
type Act = keyof Page['does'] | number | (() => unknown)

/** A `fetch` that writes its attempts down, and whether one comes while another is connected. */
function attempts(story: string[], answers: Answer[]): NonNullable<EventsOptions['fetch']> {
  let connected: AbortSignal | undefined
  let count = 0
  return async (_url, init) => {
    const signal = init.signal as AbortSignal
    const id = new Headers(init.headers).get('last-event-id')
    story.push(`fetch${id ? `:${id}` : ''}@${performance.now() - began}`)
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

let began = 0
beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(Math, 'random').mockReturnValue(0)
  began = performance.now()
})
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.unstubAllGlobals()
  vi.useRealTimers()
  vi.restoreAllMocks()
})

async function act(page: Page | undefined, acts: Act[], story: string[]): Promise<void> {
  for (const step of acts) {
    if (typeof step === 'string') {
      story.push(step)
      page?.does[step]()
    } else if (typeof step === 'function') step()
    await vi.advanceTimersByTimeAsync(typeof step === 'number' ? step : 0)
  }
}

/** Lives through the acts with `events()`; nothing is left when it is closed. */
async function iterate(
  acts: Act[],
  { page, answers = [], ...options }: Setting & EventsOptions<unknown>,
): Promise<string[]> {
  began = performance.now()
  const story: string[] = []
  const source = events(FEED, {
    onReconnect: ({ error, delay }) => story.push(`wait:${error?.code ?? 'end'}:${delay}`),
    ...options,
    fetch: attempts(story, answers),
  })
  const followed = follow(source, story)
  await act(page, [0, ...acts], story)
  source.close()
  await followed
  expect(page?.listeners ?? 0).toBe(0)
  return before(story, ['drop', 'done'])
}

/** The same with `EventSource`, whose states and events are written down. */
async function listen(
  acts: Act[],
  { page, answers = [], ...init }: Setting & EventSourceInit,
): Promise<string[]> {
  began = performance.now()
  const story: string[] = []
  const source = new EventSource(FEED, { ...init, fetch: attempts(story, answers) })
  source.onopen = () => story.push(`open:${source.readyState}`)
  source.onmessage = ({ data }) => story.push(`message:${data}`)
  source.onerror = () => story.push(`error:${source.readyState}`)
  await act(page, [0, ...acts, () => story.push(source.status)], story)
  source.close()
  await act(page, [0], story)
  // A page that is frozen has one left: it goes as the page comes back, or with it.
  if (acts.at(-1) === 'freeze') page?.does.thaw()
  expect(page?.listeners ?? 0).toBe(0)
  return before(story, ['drop'])
}

/** The story without what closing the stream ends it with. */
function before(story: string[], end: string[]): string[] {
  while (end.includes(story.at(-1) ?? '')) story.pop()
  return story
}

interface Setting {
  page?: Page
  answers?: Answer[]
}

/** A connection that brought an event with this ID, and stays open. */
function open(id?: number): ReturnType<typeof live> {
  const body = live()
  body.write(`${id ? `id: ${id}\n` : ''}data: ${id ?? 'x'}\n\n`)
  return body
}
const reset = () => new TypeError('fetch failed')
const status = (code: number, headers?: HeadersInit) =>
  new Response(null, { status: code, headers })

describe('a page that goes and comes back', () => {
  for (const [why, go, back, option] of [
    ['is hidden', 'hide', 'show', { pauseWhenHidden: true }],
    ['is in the back/forward cache', 'freeze', 'thaw', {}],
    ['is both', 'freeze', 'thaw', { pauseWhenHidden: true }],
  ] as const) {
    test(`has no connection while it ${why}, and one at once after it, from the last ID`, async () => {
      const answers = [open(1), open(2)]
      const told = await iterate([go, 60_000, back, 5000], {
        page: new Page(),
        answers,
        ...option,
      })
      expect(told).toEqual(['fetch@0', '1', go, 'drop', back, 'fetch:1@60000', '2'].map(asMessage))
    })

    test(`gets no error event for it, and is connecting while it ${why}`, async () => {
      const story = await listen([go, 60_000, back, 5000], {
        page: new Page(),
        answers: [open(1), open(2)],
        ...option,
      })
      expect(story).toEqual([
        'fetch@0',
        'open:1',
        'message:1',
        go,
        'drop',
        back,
        'fetch:1@60000',
        'open:1',
        'message:2',
        'open',
      ])
      expect(await listen([go], { page: new Page(), answers: [open(1)], ...option })).toEqual([
        'fetch@0',
        'open:1',
        'message:1',
        go,
        'drop',
        'connecting',
      ])
    })

    test(`takes a request back that has no answer when it ${why}`, async () => {
      const told = await iterate([go, 100, back], { page: new Page(), ...option })
      expect(told).toEqual(['fetch@0', go, 'drop', back, 'fetch@100'])
    })

    test(`makes one connection however often it ${why}`, async () => {
      const told = await iterate([go, back, go, back, 5000], { page: new Page(), ...option })
      expect(told).toEqual([
        ...['fetch@0', go, 'drop', back, 'fetch@0', go, 'drop', back, 'fetch@0'],
      ])
    })

    for (const [request, init, answer, dropped] of [
      ['a POST without an ID', {}, open(), false],
      ['a POST that is not answered', {}, 'silence', false],
      ['a POST with an ID', {}, open(1), true],
      ['a POST with retry', { retry: {} }, open(), true],
      ['a POST with retry: false', { retry: false }, open(), false],
    ] as [string, EventsOptions, Answer, boolean][]) {
      const what = dropped ? 'is resumed' : 'stays open'
      test(`${request} ${what} when the page ${why}`, async () => {
        const [first, ...rest] = await iterate([go, 100, back, 5000], {
          page: new Page(),
          answers: [answer],
          method: 'POST',
          ...init,
          ...option,
        })
        expect(first).toBe('fetch@0')
        const story = rest.filter((line) => !line.startsWith('message'))
        const id = answer !== 'silence' && !init.retry ? ':1' : ''
        expect(story).toEqual(dropped ? [go, 'drop', back, `fetch${id}@100`] : [go, back])
      })
    }

    test(`a body that can be sent once only stays open when the page ${why}`, async () => {
      const body = live().response.body
      const told = await iterate([go, 100, back, 5000], {
        page: new Page(),
        answers: [open(1)],
        method: 'POST',
        body,
        retry: {},
        ...option,
      })
      expect(told).toEqual(['fetch@0', 'message:1', go, back])
    })

    test(`a wait goes on though the page ${why} and comes back, and so does the count`, async () => {
      const told = await iterate([500, go, 100, back, 1000], {
        page: new Page(),
        answers: [reset(), reset()],
        ...option,
      })
      expect(told).toEqual([
        ...['fetch@0', 'wait:network:1000', go, back],
        ...['fetch@1000', 'wait:network:2000'],
      ])
    })

    test(`a wait the server asked for holds, though the page ${why} meanwhile`, async () => {
      const told = await iterate([500, go, 100, back, 20_000], {
        page: new Page(),
        answers: [status(503, { 'retry-after': '10' })],
        ...option,
      })
      expect(told).toEqual(['fetch@0', 'wait:status:10000', go, back, 'fetch@10000'])
    })

    test(`nothing is left when the stream is closed while the page ${why}`, async () => {
      const page = new Page()
      const story = await listen([go], { page, answers: [open(1)], ...option })
      expect(story.at(-1)).toBe('connecting')
    })
  }

  test('hidden until the wait the server asked for has gone by is connected as it is seen', async () => {
    const told = await iterate([500, 'hide', 60_000, 'show'], {
      page: new Page(),
      answers: [status(503, { 'retry-after': '10' })],
      pauseWhenHidden: true,
    })
    expect(told).toEqual(['fetch@0', 'wait:status:10000', 'hide', 'show', 'fetch@60500'])
  })

  test('put away offline and restored online connects', async () => {
    const acts: Act[] = ['freeze', 'online', 100, 'thaw', 5000]
    const told = await iterate(acts, { page: new Page({ onLine: false }) })
    expect(told).toEqual(['freeze', 'online', 'thaw', 'fetch@100'])
  })

  test('hidden from the start makes no request until it is visible', async () => {
    const page = new Page({ hidden: true })
    const told = await iterate([5000, 'show'], { page, pauseWhenHidden: true })
    expect(told).toEqual(['show', 'fetch@5000'])
  })

  test('keeps its connection while it is hidden, unless told otherwise', async () => {
    const told = await iterate(['hide', 5000, 'show'], { page: new Page(), answers: [open(1)] })
    expect(told).toEqual(['fetch@0', 'message:1', 'hide', 'show'])
  })

  test('is left alone where it goes for good', async () => {
    const told = await iterate(['leave', 'load'], { page: new Page(), answers: [open(1)] })
    expect(told).toEqual(['fetch@0', 'message:1', 'leave', 'load'])
  })

  test('comes back unnoticed while a slow consumer thinks: the next pull connects', async () => {
    const page = new Page()
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
})

describe('a network that goes and comes back', () => {
  test('offline before the first attempt: no request until online', async () => {
    const told = await iterate([60_000, 'online'], { page: new Page({ onLine: false }) })
    expect(told).toEqual(['online', 'fetch@60000'])
  })

  test('waitForOnline: false goes by no word of the browser', async () => {
    const page = new Page({ onLine: false })
    const answers = [reset()]
    const told = await iterate([500, 'online', 500], { page, answers, waitForOnline: false })
    expect(told).toEqual(['fetch@0', 'wait:network:1000', 'online', 'fetch@1000'])
  })

  test('online during a wait connects at once', async () => {
    const told = await iterate([500, 'online', 5000], { page: new Page(), answers: [reset()] })
    expect(told).toEqual(['fetch@0', 'wait:network:1000', 'online', 'fetch@500'])
  })

  test('offline during a wait: no attempt until online, and then at once', async () => {
    for (const away of [300, 60_000]) {
      const acts: Act[] = [100, 'offline', away, 'online', 5000]
      const told = await iterate(acts, { page: new Page(), answers: [reset()] })
      const story = ['fetch@0', 'wait:network:1000', 'offline', 'online', `fetch@${100 + away}`]
      expect(told).toEqual(story)
    }
  })

  test('offline when the connection fails: no attempt until online, and then at once', async () => {
    const body = open(1)
    const acts: Act[] = ['offline', () => body.fail(reset()), 60_000, 'online']
    const told = await iterate(acts, { page: new Page(), answers: [body] })
    expect(told).toEqual([
      ...['fetch@0', 'message:1', 'offline', 'drop', 'wait:network:1000', 'online'],
      'fetch:1@60000',
    ])
  })

  for (const [when, acts, at] of [
    ['before it is over', [500, 'offline', 100, 'online', 20_000], 10_000],
    ['after it', [500, 'offline', 60_000, 'online'], 60_500],
    ['though it was never off', [500, 'online', 20_000], 10_000],
  ] as [string, Act[], number][]) {
    test(`a wait the server asked for holds when the network is back ${when}`, async () => {
      const answers = [status(503, { 'retry-after': '10' })]
      const told = await iterate(acts, { page: new Page(), answers })
      expect([told[1], told.at(-1)]).toEqual(['wait:status:10000', `fetch@${at}`])
    })
  }

  test('a connection that outlives it is kept', async () => {
    const acts: Act[] = ['offline', 100, 'online', 100]
    const told = await iterate(acts, { page: new Page(), answers: [open(1)] })
    expect(told).toEqual(['fetch@0', 'message:1', 'offline', 'online'])
  })

  test('back while the page is hidden: no attempt until it is visible too', async () => {
    const page = new Page({ hidden: true, onLine: false })
    const told = await iterate([100, 'online', 100, 'show'], { page, pauseWhenHidden: true })
    expect(told).toEqual(['online', 'show', 'fetch@200'])
  })

  test('a page that is shown while it is offline makes no attempt', async () => {
    const page = new Page({ hidden: true, onLine: false })
    const told = await iterate([100, 'show', 100, 'online'], { page, pauseWhenHidden: true })
    expect(told).toEqual(['show', 'online', 'fetch@200'])
  })
})

describe('where there is no page', () => {
  test('a worker knows of the network, and of nothing else', async () => {
    const page = new Page({ onLine: false })
    vi.stubGlobal('document', undefined)
    const told = await iterate([100, 'online'], { page, pauseWhenHidden: true })
    expect(told).toEqual(['online', 'fetch@100'])
  })

  for (const [what, navigator] of [
    ['without a navigator', undefined],
    ['whose navigator knows no network', {}],
  ] as const) {
    test(`a runtime ${what} is asked for nothing`, async () => {
      const page = new Page()
      vi.stubGlobal('document', undefined)
      vi.stubGlobal('navigator', navigator)
      const count = () => expect(page.listeners).toBe(0)
      const answers = [open(1)]
      const told = await iterate([count, 'freeze'], { page, answers, pauseWhenHidden: true })
      expect(told).toEqual(['fetch@0', 'message:1', 'freeze'])
    })
  }

  test('a runtime that has no events of its own is asked for none', async () => {
    const page = new Page()
    vi.stubGlobal('addEventListener', undefined)
    const told = await iterate(['online'], { page, answers: [open(1)] })
    expect(told).toEqual(['fetch@0', 'message:1', 'online'])
  })
})

describe('a machine that sleeps', () => {
  const HOUR = 3_600_000
  /** Sleeps for an hour: no timer runs; the monotonic clock goes on, or stands still. */
  const sleeps: [string, () => void][] = [
    ['stands still', () => void vi.setSystemTime(Date.now() + HOUR)],
    [
      'goes on',
      () => {
        vi.setSystemTime(Date.now() + HOUR)
        const now = performance.now.bind(performance)
        vi.spyOn(performance, 'now').mockImplementation(() => now() + HOUR)
      },
    ],
  ]
  const fetches = (story: string[]) => story.map((line) => line.replace(/(fetch.*)@.*/, '$1'))

  for (const [how, sleep] of sleeps) {
    test(`reconnects at once, without an error event, where the monotonic clock ${how}`, async () => {
      const answers = [open(1), open(2)]
      // Within one look of the wake, however long the silence may be.
      const told = await listen([5000, sleep, 10_000], { answers, idleTimeout: 600_000 })
      expect(fetches(told)).toEqual([
        ...['fetch', 'open:1', 'message:1', 'drop', 'fetch:1', 'open:1', 'message:2', 'open'],
      ])
    })

    test(`gives up what cannot be repeated, as idle, where the monotonic clock ${how}`, async () => {
      const acts: Act[] = [5000, sleep, 25_000]
      const options = { answers: [open()], idleTimeout: 30_000 }
      for (const more of [{ method: 'POST' }, { retry: false }] as EventsOptions[]) {
        const told = await iterate(acts, { ...options, ...more })
        expect(told).toEqual(['fetch@0', 'message:x', 'drop', 'throws:idle'])
        vi.mocked(performance.now).mockRestore?.()
        options.answers = [open()]
      }
    })
  }

  test('keeps a connection that brings something after the wake', async () => {
    for (const init of [{}, { method: 'POST' }]) {
      const body = open()
      const wake = () => body.write(': here\n\n')
      const acts: Act[] = [5000, sleeps[0]?.[1] ?? 0, wake, 25_000]
      const told = await iterate(acts, { answers: [body], idleTimeout: 30_000, ...init })
      expect(told.slice(1)).toEqual(['message:x'])
    }
  })

  test('is told from a hidden page, whose timers come once a minute', async () => {
    const acts: Act[] = [5000, () => vi.setSystemTime(Date.now() + 60_000), 10_000]
    const told = await iterate(acts, { answers: [open(1)], idleTimeout: 600_000 })
    expect(told).toEqual(['fetch@0', 'message:1'])
  })

  test('is told from a consumer that does not ask for more', async () => {
    const story: string[] = []
    const fetch = attempts(story, [open(1)])
    const source = events(FEED, { fetch, idleTimeout: 30_000 })
    await source[Symbol.asyncIterator]().next()
    await act(undefined, [5000, sleeps[0]?.[1] ?? 0, 25_000], story)
    expect(story).toEqual(['fetch@0'])
    source.close()
  })
})

/** A bare ID is its message's line. */
function asMessage(line: string): string {
  return /^\d/.test(line) ? `message:${line}` : line
}

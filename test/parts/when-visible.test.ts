import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { events } from '../../src/faces/events'
import { whenVisible } from '../../src/parts/when-visible'
import { type Act, act, FakePage } from '../support/fake-page'
import { follow } from '../support/fetch'
import { type AnyOptions, FEED, ownTheClock, reset, status } from '../support/play'
import { live } from '../support/response'

let began = 0
ownTheClock()
beforeEach(() => {
  began = Date.now()
})
afterEach(() => void vi.unstubAllGlobals())

type Answer = ReturnType<typeof live> | Error | Response

/** Lives through the acts: attempts, and connections that are let go, with their times. */
async function storyOf(
  acts: Act[],
  {
    page,
    answers = [],
    ...options
  }: AnyOptions & { page?: FakePage | undefined; answers?: Answer[] },
): Promise<string[]> {
  began = Date.now()
  const at = () => Date.now() - began
  const story: string[] = []
  let count = 0
  const given: AnyOptions = {
    onReconnect: ({ error }) => story.push(`lost:${error?.code ?? 'end'}`),
    ...options,
    fetch: async (_url, init) => {
      const id = new Headers(init.headers).get('last-event-id')
      story.push(`fetch${id ? `:${id}` : ''}@${at()}`)
      const answer = answers[count++] ?? open()
      if (answer instanceof Error) throw answer
      if (answer instanceof Response) return answer
      ;(init.signal as AbortSignal).addEventListener('abort', () => story.push(`drop@${at()}`))
      return answer.response
    },
  }
  const source = events(FEED, given as object)
  const followed = follow(source, story)
  await act(page, [0, ...acts, () => story.push(source.status)], story)
  const end = story.length
  source.close()
  await followed
  expect(page?.listeners ?? 0).toBe(0)
  return story.slice(0, end).filter((line) => !line.startsWith('message'))
}

function open(id?: number): ReturnType<typeof live> {
  const body = live()
  if (id) body.write(`id: ${id}\ndata: ${id}\n\n`)
  return body
}

describe('whenVisible()', () => {
  test('lets the connection go when the page is hidden, and connects when it is seen, with its place', async () => {
    const told = await storyOf(['hide', 60_000, 'show'], {
      page: new FakePage(),
      gate: whenVisible(),
      answers: [open(1)],
    })
    expect(told).toEqual(['fetch@0', 'hide', 'drop@0', 'show', 'fetch:1@60000', 'open'])
  })

  test('the stream is waiting meanwhile, without a time and without a failure', async () => {
    const told = await storyOf(['hide', 60_000], { page: new FakePage(), gate: whenVisible() })
    expect(told).toEqual(['fetch@0', 'hide', 'drop@0', 'waiting'])
  })

  test('makes one connection however often the page is hidden and seen', async () => {
    const told = await storyOf(['hide', 'show', 'hide', 'show', 5000], {
      page: new FakePage(),
      gate: whenVisible(),
    })
    expect(told).toEqual([
      ...[
        'fetch@0',
        'hide',
        'drop@0',
        'show',
        'fetch@0',
        'hide',
        'drop@0',
        'show',
        'fetch@0',
        'open',
      ],
    ])
  })

  test('a page that is hidden from the start makes no request until it is seen', async () => {
    const told = await storyOf([5000, 'show'], {
      page: new FakePage({ hidden: true }),
      gate: whenVisible(),
    })
    expect(told).toEqual(['show', 'fetch@5000', 'open'])
  })

  test('a wait goes on while the page is hidden; the attempt after it is made when it is seen', async () => {
    const told = await storyOf([500, 'hide', 60_000, 'show'], {
      page: new FakePage(),
      gate: whenVisible(),
      answers: [status(503, { 'retry-after': '10' })],
    })
    expect(told).toEqual(['fetch@0', 'lost:status', 'hide', 'show', 'fetch@60500', 'open'])
    const short = await storyOf([500, 'hide', 100, 'show', 20_000], {
      page: new FakePage(),
      gate: whenVisible(),
      answers: [status(503, { 'retry-after': '10' })],
    })
    expect(short.slice(-2)).toEqual(['fetch@10000', 'open'])
  })

  test('a request that must not be repeated stays', async () => {
    for (const options of [{ method: 'POST' }, { method: 'POST', retry: {} }]) {
      const told = await storyOf(['hide', 60_000, 'show'], {
        page: new FakePage(),
        gate: whenVisible(),
        answers: [open(1)],
        ...options,
      })
      expect(told).toEqual(['fetch@0', 'hide', 'show', 'open'])
    }
  })

  test('with the back/forward cache it makes one connection, when both let it', async () => {
    const told = await storyOf(['freeze', 60_000, 'thaw', 5000], {
      page: new FakePage(),
      gate: whenVisible(),
      answers: [open(1)],
    })
    expect(told).toEqual(['fetch@0', 'freeze', 'drop@0', 'thaw', 'fetch:1@60000', 'open'])
  })

  test('asks whatever the browser says of the network', async () => {
    const told = await storyOf([], { page: new FakePage({ onLine: false }), gate: whenVisible() })
    expect(told).toEqual(['fetch@0', 'open'])
  })

  test('where there is no page it is open', async () => {
    expect(await storyOf([], { gate: whenVisible() })).toEqual(['fetch@0', 'open'])
  })
})

describe('whenVisible({ after })', () => {
  const gate = () => whenVisible({ after: 10_000 })

  test('lets the connection go once the page has been hidden for so long', async () => {
    const acts: Act[] = ['hide', 9999, () => {}, 1, 50_000, 'show']
    const told = await storyOf(acts, { page: new FakePage(), gate: gate() })
    expect(told).toEqual(['fetch@0', 'hide', 'drop@10000', 'show', 'fetch@60000', 'open'])
  })

  test('keeps it for a short look at another tab, however many', async () => {
    const acts: Act[] = ['hide', 9000, 'show', 'hide', 9000, 'show', 20_000]
    const told = await storyOf(acts, { page: new FakePage(), gate: gate() })
    expect(told).toEqual(['fetch@0', 'hide', 'show', 'hide', 'show', 'open'])
  })

  test('a connection that is lost before it is made again, and let go in time', async () => {
    const body = open()
    const acts: Act[] = ['hide', 4000, () => body.fail(reset()), 60_000]
    const told = await storyOf(acts, { page: new FakePage(), gate: gate(), answers: [body] })
    expect(told).toEqual([
      ...['fetch@0', 'hide', 'drop@4000', 'lost:network', 'fetch@5100', 'drop@10000', 'waiting'],
    ])
  })

  test('one that is lost after it is not', async () => {
    const acts: Act[] = ['hide', 9500, 60_000]
    const lost = open()
    setTimeout(() => lost.fail(reset()), 9500)
    const told = await storyOf(acts, { page: new FakePage(), gate: gate(), answers: [lost] })
    expect(told).toEqual(['fetch@0', 'hide', 'drop@9500', 'lost:network', 'waiting'])
  })

  test('a page that is hidden from the start has so long as well', async () => {
    const page = new FakePage({ hidden: true })
    const told = await storyOf([60_000, 'show'], { page, gate: gate() })
    expect(told).toEqual(['fetch@0', 'drop@10000', 'show', 'fetch@60000', 'open'])
  })

  test('a timer that is early by a millisecond does not connect once more', async () => {
    const now = Date.now.bind(Date)
    const page = new FakePage()
    const acts: Act[] = [
      'hide',
      () => vi.spyOn(Date, 'now').mockImplementation(() => now() - 1),
      60_000,
      () => vi.mocked(Date.now).mockRestore(),
    ]
    const told = await storyOf(acts, { page, gate: gate() })
    expect(told.filter((line) => line.startsWith('fetch'))).toEqual(['fetch@0'])
  })

  test('one gate serves many streams', async () => {
    const page = new FakePage()
    const shared = gate()
    const stories = await Promise.all([1, 2].map(() => followOne(shared)))
    await act(page, ['hide', 10_000], [])
    expect(stories.map(({ source }) => source.status)).toEqual(['waiting', 'waiting'])
    await act(page, ['show'], [])
    expect(stories.map(({ source }) => source.status)).toEqual(['open', 'open'])
    for (const { source, followed } of stories) {
      source.close()
      await followed
    }
    expect(page.listeners).toBe(0)

    async function followOne(own: typeof shared) {
      const source = events(FEED, { gate: own, fetch: async () => live().response })
      const followed = follow(source, [])
      await act(undefined, [0], [])
      return { source, followed }
    }
  })

  test.each([-1, Number.NaN, Number.POSITIVE_INFINITY, '5'])('%o is no time', (after) => {
    expect(() => whenVisible({ after: after as number })).toThrow(/^Expected after/)
  })
})

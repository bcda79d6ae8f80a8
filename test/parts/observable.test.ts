import {
  config,
  firstValueFrom,
  from,
  lastValueFrom,
  merge,
  type Observable,
  type Observer,
  take,
  toArray,
} from 'rxjs'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { type EventStream, events } from '../../src/faces/events'
import type { ServerSentEvent } from '../../src/parser/event'
import { type InteropObservable, observable } from '../../src/parts/observable'
import { type Feed, serveFeed } from '../support/feed'
import { uncaught } from '../support/uncaught'

/** Writes down what a subscription brings. */
function observer(story: string[], name = '') {
  return {
    next: ({ data }: ServerSentEvent) => void story.push(name + data),
    error: (error: unknown) =>
      void story.push(`${name}error:${(error as { code?: string }).code ?? error}`),
    complete: () => void story.push(`${name}complete`),
  }
}

const told = (story: string[], ...lines: string[]) =>
  vi.waitFor(() => expect(story).toEqual(lines), { interval: 2 })
const rx = <E>(source: InteropObservable<E>) => from(source as unknown as Observable<E>)

describe('from(observable(() => events(…)))', () => {
  const feedOf = (url: string) => rx(observable(() => events(url)))

  test('unsubscribing closes the socket at once, while nothing comes', async () => {
    const feed = await serveFeed()
    const story: string[] = []
    const subscription = feedOf(feed.url).subscribe(observer(story))
    await feed.openToBe(1)
    feed.write('data: a\n\n')
    await told(story, 'a')
    subscription.unsubscribe()
    await feed.socketsToBe(0)
    expect(story).toEqual(['a'])
  })

  test('nothing is requested before it is subscribed to', async () => {
    const feed = await serveFeed()
    const made = vi.fn(() => events(feed.url))
    const prices = rx(observable(made))
    await new Promise((resolve) => setImmediate(resolve))
    expect([made.mock.calls.length, feed.requests.length]).toEqual([0, 0])
    const first = firstValueFrom(prices)
    await feed.openToBe(1)
    feed.write('data: a\n\n')
    expect(await first).toEqual({ type: 'message', data: 'a', lastEventId: '' })
    await feed.socketsToBe(0)
  })

  test('take(2) delivers two, and not the rest of their chunk', async () => {
    const feed = await serveFeed()
    let stream!: EventStream
    const source = observable(() => {
      stream = events(feed.url)
      return stream
    })
    const two = lastValueFrom(rx(source).pipe(take(2), toArray()))
    await feed.openToBe(1)
    feed.write('id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\ndata: c\n\n')
    expect((await two).map(({ data }) => data)).toEqual(['a', 'b'])
    await feed.socketsToBe(0)
    expect(stream.lastEventId).toBe('2')
  })

  test('a complete stream completes, a failed one errors', async () => {
    const feed = await serveFeed(({ path }) => (path === '/refused' ? 403 : 200))
    const story: string[] = []
    rx(observable(() => events(feed.url, { until: 'end' }))).subscribe(observer(story))
    await feed.openToBe(1)
    feed.write('data: a\n\ndata: end\n\n')
    await told(story, 'a', 'complete')
    feedOf(`${feed.url}/refused`).subscribe(observer(story))
    await told(story, 'a', 'complete', 'error:status')
    await feed.openToBe(0)
  })

  test('each subscriber has a session of its own', async () => {
    const feed = await serveFeed()
    const story: string[] = []
    const prices = feedOf(feed.url)
    const first = prices.subscribe(observer(story, '1'))
    await feed.openToBe(1)
    const second = prices.subscribe(observer(story, '2'))
    await feed.openToBe(2)
    feed.write('data: a\n\n')
    await vi.waitFor(() => expect(story.sort()).toEqual(['1a', '2a']))
    first.unsubscribe()
    await feed.openToBe(1)
    second.unsubscribe()
    await feed.socketsToBe(0)
  })

  test('an unsubscribe before the response comes sends nothing more', async () => {
    const feed = await serveFeed()
    const story: string[] = []
    feedOf(feed.url).subscribe(observer(story)).unsubscribe()
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect([story, feed.requests.length]).toEqual([[], 0])
  })

  test('it merges with others', async () => {
    const feed = await serveFeed()
    const story: string[] = []
    const both = merge(feedOf(`${feed.url}/a`), feedOf(`${feed.url}/b`))
    const subscription = both.subscribe(observer(story))
    await feed.openToBe(2)
    feed.write('data: x\n\n')
    await told(story, 'x', 'x')
    subscription.unsubscribe()
    await feed.socketsToBe(0)
  })

  test('an observer that throws costs neither the stream nor the others', async () => {
    const unhandled = vi.fn()
    const { onUnhandledError } = config
    config.onUnhandledError = unhandled
    onTestFinished(() => {
      config.onUnhandledError = onUnhandledError
    })
    const feed = await serveFeed()
    const story: string[] = []
    const broken = new Error('broken observer')
    const subscription = feedOf(feed.url).subscribe(({ data }) => {
      story.push(data)
      if (data === 'a') throw broken
    })
    await feed.openToBe(1)
    feed.write('data: a\n\ndata: b\n\n')
    await told(story, 'a', 'b')
    await vi.waitFor(() => expect(unhandled.mock.calls).toEqual([[broken]]))
    subscription.unsubscribe()
    await feed.socketsToBe(0)
  })

  test('without observable() RxJS reads on: the rows above are able to fail', async () => {
    const feed = await serveFeed()
    const stream = events(feed.url)
    const story: string[] = []
    const subscription = from(stream).subscribe(observer(story))
    await feed.openToBe(1)
    feed.write('data: a\n\n')
    await told(story, 'a')
    subscription.unsubscribe()
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(feed.open.size).toBe(1)
    stream.close()
    await feed.socketsToBe(0)
  })
})

describe('a stream that is shared', () => {
  test('by all its subscribers has one connection, and the last to leave closes it', async () => {
    const feed = await serveFeed()
    const story: string[] = []
    const prices = rx(observable(events(feed.url)))
    const first = prices.subscribe(observer(story, '1'))
    const second = prices.subscribe(observer(story, '2'))
    await feed.openToBe(1)
    feed.write('data: a\n\n')
    await told(story, '1a', '2a')
    first.unsubscribe()
    first.unsubscribe()
    feed.write('data: b\n\n')
    await told(story, '1a', '2a', '2b')
    expect(feed.open.size).toBe(1)
    second.unsubscribe()
    await feed.socketsToBe(0)
    expect(feed.requests.length).toBe(1)
  })

  test('goes on from its place when it is subscribed to again', async () => {
    const feed = await serveFeed()
    const story: string[] = []
    const prices = observable(events(feed.url))
    const first = prices.subscribe(observer(story))
    await feed.openToBe(1)
    feed.write('id: 7\ndata: a\n\n')
    await told(story, 'a')
    first.unsubscribe()
    await feed.openToBe(0)
    const again = prices.subscribe(observer(story))
    await feed.openToBe(1)
    again.unsubscribe()
    expect(feed.requests.map(({ headers }) => headers['last-event-id'])).toEqual([undefined, '7'])
  })

  test('the next subscriber hears nothing of the end that the last one made, in the same turn, too', async () => {
    const feed = await serveFeed()
    const story: string[] = []
    const prices = observable(events(feed.url))
    const first = prices.subscribe(observer(story, '1'))
    await feed.openToBe(1)
    // As React does it under StrictMode.
    first.unsubscribe()
    const second = prices.subscribe(observer(story, '2'))
    await vi.waitFor(() => expect(feed.requests.length).toBe(2))
    await feed.openToBe(1)
    feed.write('data: a\n\n')
    await told(story, '2a')
    second.unsubscribe()
    await feed.socketsToBe(0)
  })

  test('tells all of its end, and begins anew for who subscribes at it', async () => {
    const feed = await serveFeed()
    const story: string[] = []
    const prices = observable(events(feed.url, { until: 'end' }))
    prices.subscribe({
      complete: () => {
        story.push('1complete')
        prices.subscribe(observer(story, '3'))
      },
    })
    prices.subscribe(observer(story, '2'))
    await feed.openToBe(1)
    feed.write('data: end\n\n')
    await told(story, '1complete', '2complete')
    await vi.waitFor(() => expect(feed.requests.length).toBe(2))
    await feed.openToBe(1)
    feed.write('data: b\n\ndata: end\n\n')
    await told(story, '1complete', '2complete', '3b', '3complete')
  })

  test('an observer that throws costs the others nothing, and is reported', async () => {
    const errors = uncaught()
    const feed = await serveFeed()
    const story: string[] = []
    const prices = observable(events(feed.url))
    const full = new Error('full')
    const broken = prices.subscribe({
      next: () => {
        throw full
      },
      error: () => story.push('error'),
    })
    const other = prices.subscribe(observer(story))
    await feed.openToBe(1)
    feed.write('data: a\n\n')
    feed.write('data: b\n\n')
    await told(story, 'a', 'b')
    await vi.waitFor(() => expect(errors).toEqual([full, full]))
    broken.unsubscribe()
    other.unsubscribe()
    await feed.socketsToBe(0)
  })

  test('who subscribes or leaves while an event is told: that one is not heard', async () => {
    const feed = await serveFeed()
    const story: string[] = []
    const prices = observable(events(feed.url))
    const left: { unsubscribe(): void }[] = []
    left.push(
      prices.subscribe({
        next: ({ data }) => {
          story.push(`1${data}`)
          if (data !== 'a') return
          left.push(prices.subscribe(observer(story, '3')))
          second.unsubscribe()
        },
      }),
    )
    const second = prices.subscribe(observer(story, '2'))
    await feed.openToBe(1)
    feed.write('data: a\n\ndata: b\n\n')
    await told(story, '1a', '1b', '3b')
    for (const { unsubscribe } of left) unsubscribe()
    await feed.socketsToBe(0)
  })

  test('that somebody else reads is an error for its subscribers', async () => {
    const feed = await serveFeed()
    const story: string[] = []
    const stream = events(feed.url)
    const next = stream[Symbol.asyncIterator]().next()
    observable(stream).subscribe({ error: (error) => story.push((error as Error).name) })
    await told(story, 'TypeError')
    stream.close()
    await next
  })
})

describe('subscribe() by itself', () => {
  const subscribe = (feed: Feed, to: Partial<Observer<ServerSentEvent>>) =>
    observable(() => events(feed.url, { until: 'end' })).subscribe(to)

  test('takes an observer with nothing to tell', async () => {
    const feed = await serveFeed()
    subscribe(feed, {})
    await feed.openToBe(1)
    feed.write('data: a\n\ndata: end\n\n')
    await feed.socketsToBe(0)
  })

  test('calls the observer’s methods on the observer', async () => {
    const feed = await serveFeed()
    const seen: unknown[] = []
    const self = {
      next() {
        seen.push(this)
      },
      complete() {
        seen.push(this)
      },
    }
    subscribe(feed, self)
    await feed.openToBe(1)
    feed.write('data: a\n\ndata: end\n\n')
    await vi.waitFor(() => expect(seen).toEqual([self, self]))
  })

  test('an observer may subscribe twice, and leave once', async () => {
    const feed = await serveFeed()
    const story: string[] = []
    const prices = observable(events(feed.url))
    const same = observer(story)
    const first = prices.subscribe(same)
    const second = prices.subscribe(same)
    await feed.openToBe(1)
    feed.write('data: a\n\n')
    await told(story, 'a', 'a')
    first.unsubscribe()
    feed.write('data: b\n\n')
    await told(story, 'a', 'a', 'b')
    second.unsubscribe()
    await feed.socketsToBe(0)
  })

  test('an unsubscribe in next() is the last event that is heard', async () => {
    const feed = await serveFeed()
    const story: string[] = []
    const subscription = subscribe(feed, {
      next({ data }) {
        story.push(data)
        subscription.unsubscribe()
      },
    })
    await feed.openToBe(1)
    feed.write('data: a\n\ndata: b\n\n')
    await feed.socketsToBe(0)
    expect(story).toEqual(['a'])
  })

  test('after unsubscribe() nothing is heard, not even the end', async () => {
    const feed = await serveFeed()
    const story: string[] = []
    const { unsubscribe } = subscribe(feed, observer(story))
    await feed.openToBe(1)
    unsubscribe()
    await feed.socketsToBe(0)
    expect(story).toEqual([])
  })

  test('a failure that nobody listens for is reported as uncaught', async () => {
    const errors = uncaught()
    const feed = await serveFeed(() => 403)
    subscribe(feed, {})
    await vi.waitFor(() => expect(errors).toMatchObject([{ status: 403 }]))
  })

  test('is found by its symbol, or by the name that stands for it', () => {
    const self = observable(() => events('http://localhost/')) as unknown as Record<
      string,
      () => unknown
    >
    expect(self['@@observable']?.()).toBe(self)
  })
})

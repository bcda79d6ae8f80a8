import {
  config,
  firstValueFrom,
  from,
  lastValueFrom,
  merge,
  type Observer,
  take,
  toArray,
} from 'rxjs'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { events } from '../src/events'
import type { ServerSentEvent } from '../src/parser'
import { type Feed, serveFeed } from './support/feed'

/** Writes down what a subscription brings. */
function observer(story: string[]) {
  return {
    next: ({ data }: ServerSentEvent) => void story.push(data),
    error: (error: unknown) =>
      void story.push(`error:${(error as { code?: string }).code ?? error}`),
    complete: () => void story.push('complete'),
  }
}

const told = (story: string[], ...lines: string[]) =>
  vi.waitFor(() => expect(story).toEqual(lines), { interval: 2 })

describe('from(events(…))', () => {
  test('unsubscribing closes the socket at once, while nothing comes', async () => {
    const feed = await serveFeed()
    const story: string[] = []
    const subscription = from(events(feed.url)).subscribe(observer(story))
    await feed.openToBe(1)
    feed.write('data: a\n\n')
    await told(story, 'a')
    subscription.unsubscribe()
    await feed.socketsToBe(0)
    expect(story).toEqual(['a'])
  })

  test('nothing is requested before it is subscribed to', async () => {
    const feed = await serveFeed()
    const prices = from(events(feed.url))
    await new Promise((resolve) => setImmediate(resolve))
    expect(feed.requests.length).toBe(0)
    const first = firstValueFrom(prices)
    await feed.openToBe(1)
    feed.write('data: a\n\n')
    expect(await first).toEqual({ type: 'message', data: 'a', lastEventId: '' })
    await feed.socketsToBe(0)
  })

  test('take(2) delivers two, and not the rest of their chunk', async () => {
    const feed = await serveFeed()
    const stream = events(feed.url)
    const two = lastValueFrom(from(stream).pipe(take(2), toArray()))
    await feed.openToBe(1)
    feed.write('id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\ndata: c\n\n')
    expect((await two).map(({ data }) => data)).toEqual(['a', 'b'])
    await feed.socketsToBe(0)
    expect(stream.lastEventId).toBe('2')
  })

  test('a complete stream completes, a failed one errors', async () => {
    const feed = await serveFeed(({ path }) => (path === '/refused' ? 403 : 200))
    const story: string[] = []
    from(events(feed.url, { until: 'end' })).subscribe(observer(story))
    await feed.openToBe(1)
    feed.write('data: a\n\ndata: end\n\n')
    await told(story, 'a', 'complete')
    from(events(`${feed.url}/refused`)).subscribe(observer(story))
    await told(story, 'a', 'complete', 'error:status')
    await feed.openToBe(0)
  })

  test('subscribing again resumes, a second subscription at the same time is an error', async () => {
    const feed = await serveFeed()
    const story: string[] = []
    const stream = events(feed.url)
    const first = from(stream).subscribe(observer(story))
    await feed.openToBe(1)
    from(stream).subscribe({ error: (error) => story.push(error.name) })
    await told(story, 'TypeError')
    feed.write('id: 7\ndata: a\n\n')
    await told(story, 'TypeError', 'a')
    first.unsubscribe()
    await feed.openToBe(0)
    const again = from(stream).subscribe(observer(story))
    await feed.openToBe(1)
    again.unsubscribe()
    expect(feed.requests.map(({ headers }) => headers['last-event-id'])).toEqual([undefined, '7'])
  })

  test('an unsubscribe before the response comes sends nothing more', async () => {
    const feed = await serveFeed()
    const story: string[] = []
    from(events(feed.url)).subscribe(observer(story)).unsubscribe()
    await new Promise((resolve) => setImmediate(resolve))
    expect([story, feed.requests.length]).toEqual([[], 0])
  })

  test('it merges with others', async () => {
    const feed = await serveFeed()
    const story: string[] = []
    const both = merge(from(events(`${feed.url}/a`)), from(events(`${feed.url}/b`)))
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
    const subscription = from(events(feed.url)).subscribe(({ data }) => {
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

  test('without the method RxJS reads on: the row above is able to fail', async () => {
    const feed = await serveFeed()
    const stream = events(feed.url)
    Object.assign(stream, { '@@observable': undefined })
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

describe('subscribe() by itself', () => {
  const subscribe = (feed: Feed, observer: Partial<Observer<ServerSentEvent>>) => {
    const stream = events(feed.url, { until: 'end' })
    return stream['@@observable']().subscribe(observer)
  }

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
})

describe('the observable without RxJS', () => {
  const observable = (url: string) => events(url)['@@observable']()

  test('after unsubscribe() nothing is heard, not even the end', async () => {
    const feed = await serveFeed()
    const story: string[] = []
    const { unsubscribe } = observable(feed.url).subscribe(observer(story))
    await feed.openToBe(1)
    unsubscribe()
    await feed.socketsToBe(0)
    expect(story).toEqual([])
  })

  test('an observer that throws hears of it, and the socket is closed', async () => {
    const feed = await serveFeed()
    const story: string[] = []
    const next = () => {
      throw new Error('full')
    }
    observable(feed.url).subscribe({ ...observer(story), next })
    await feed.openToBe(1)
    feed.write('data: a\n\n')
    await told(story, 'error:Error: full')
    await feed.socketsToBe(0)
  })

  test('what nobody listens for is reported as uncaught', async () => {
    const feed = await serveFeed(() => 403)
    const errors: unknown[] = []
    const note = (error: unknown) => void errors.push(error)
    const others = process.listeners('unhandledRejection')
    process.removeAllListeners('unhandledRejection').on('unhandledRejection', note)
    onTestFinished(() => {
      process.removeAllListeners('unhandledRejection')
      for (const other of others) process.on('unhandledRejection', other)
    })
    observable(feed.url).subscribe({})
    await vi.waitFor(() => expect(errors).toMatchObject([{ status: 403 }]))
  })
})

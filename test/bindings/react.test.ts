import '../support/page'

import {
  QueryClient,
  QueryClientProvider,
  experimental_streamedQuery as streamedQuery,
  useQuery,
} from '@tanstack/react-query'
import {
  Activity,
  type ActivityProps,
  Component,
  createElement,
  type ReactNode,
  StrictMode,
} from 'react'
import { createRoot, hydrateRoot } from 'react-dom/client'
import { renderToString } from 'react-dom/server'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { z } from 'zod'
import { type UseEventsResult, useEvents } from '../../src/bindings/react'
import { events } from '../../src/faces/events'
import { validated } from '../../src/parts/validated'
import { serveFeed } from '../support/feed'
import { uncaught } from '../support/uncaught'

/** Renders a component whose text is what `use` returns; each render is written down. */
function render<P>(use: (props: P) => unknown, props: NoInfer<P>, { strict = false } = {}) {
  const texts: string[] = []
  function Shown(props: { of: P }) {
    const text = String(use(props.of))
    texts.push(text)
    return createElement('p', null, text)
  }
  const caught: unknown[] = []
  const root = createRoot(document.createElement('div'), {
    onUncaughtError: (error) => caught.push(error),
  })
  const rerender = (props: P) => {
    const shown = createElement(Shown, { of: props } as never)
    root.render(strict ? createElement(StrictMode, null, shown) : shown)
  }
  let mounted = true
  const unmount = () => {
    if (mounted) root.unmount()
    mounted = false
  }
  onTestFinished(unmount)
  rerender(props)
  return { texts, rerender, unmount, caught }
}

const last = (texts: string[], text: string) =>
  vi.waitFor(() => expect(texts.at(-1)).toBe(text), { interval: 2, timeout: 5000 })
/** As a story: StrictMode renders twice. */
const once = (texts: string[]) => texts.filter((text, index) => text !== texts[index - 1])
const quick = { retry: { delay: 1, jitter: 0 } }
const list = ({ status, events }: UseEventsResult) => `${status}:${events.map(({ data }) => data)}`

/** What the console was told, which would otherwise fill the screen. */
function consoleErrors(): unknown[] {
  const error = vi.spyOn(console, 'error').mockImplementation(() => {})
  onTestFinished(() => error.mockRestore())
  return error.mock.calls
}

describe('useEvents', () => {
  test('is idle until mounted, shows what comes, and leaves nothing after unmount', async () => {
    const feed = await serveFeed()
    const { texts, unmount } = render((url: string) => list(useEvents(url)), feed.url)
    await last(texts, 'open:')
    feed.write('id: 1\ndata: a\n\n')
    await last(texts, 'open:a')
    feed.write('id: 2\ndata: b\n\n')
    await last(texts, 'open:a,b')
    expect(once(texts)).toEqual(['idle:', 'connecting:', 'open:', 'open:a', 'open:a,b'])
    unmount()
    await feed.socketsToBe(0)
    expect(feed.requests.length).toBe(1)
    expect(texts.at(-1)).toBe('open:a,b')
  })

  test('under StrictMode the server sees one request, and its end', async () => {
    const errors = consoleErrors()
    const feed = await serveFeed()
    const { texts, unmount } = render((url: string) => list(useEvents(url)), feed.url, {
      strict: true,
    })
    await last(texts, 'open:')
    feed.write('data: a\n\n')
    await last(texts, 'open:a')
    unmount()
    await feed.socketsToBe(0)
    expect(feed.requests.length).toBe(1)
    expect(errors).toEqual([])
  })

  test('the status tells of each wait and attempt, with its error until the next is open', async () => {
    const feed = await serveFeed((_, number) => (number === 2 ? 503 : 200))
    const { texts } = render((url: string) => {
      const { status, error, data } = useEvents(url, quick)
      return [status, error && 'code' in error ? error.code : '', data].join(':')
    }, feed.url)
    await feed.openToBe(1)
    feed.write('data: a\n\n')
    await last(texts, 'open::a')
    feed.cut()
    await last(texts, 'open::a')
    await vi.waitFor(() => expect(feed.requests.length).toBe(3))
    await last(texts, 'open::a')
    expect(once(texts)).toEqual([
      'idle::',
      'connecting::',
      'open::',
      'open::a',
      'waiting:network:a',
      'connecting:network:a',
      'waiting:status:a',
      'connecting:status:a',
      'open::a',
    ])
  })

  test('inline options and functions reopen nothing; the last render’s are used', async () => {
    const feed = await serveFeed()
    const calls: number[] = []
    const { texts, rerender } = render((turn: number) => {
      const { status, data } = useEvents(new URL(feed.url), {
        ...quick,
        json: { prompt: 'hi' },
        retry: { ...quick.retry },
        onEnd: 'reconnect',
        resume: 'same',
        headers: { 'x-turn': `${turn}` },
        onReconnect: () => calls.push(turn),
        decode: (text) => `${turn}${text}`,
      })
      return `${turn}:${status}:${data}`
    }, 1)
    await last(texts, '1:open:undefined')
    rerender(2)
    await last(texts, '2:open:undefined')
    feed.write('data: a\n\n')
    await last(texts, '2:open:2a')
    rerender(3)
    await last(texts, '3:open:2a')
    expect(feed.requests.length).toBe(1)
    feed.end()
    await vi.waitFor(() => expect(feed.requests.length).toBe(2))
    expect(feed.requests.map(({ headers }) => headers['x-turn'])).toEqual(['1', '3'])
    expect(calls).toEqual([3])
  })

  test('a hidden Activity closes the socket; shown again it goes on after the last event', async () => {
    const feed = await serveFeed()
    const texts: string[] = []
    function Shown() {
      const text = list(useEvents(feed.url))
      texts.push(text)
      return createElement('p', null, text)
    }
    const root = createRoot(document.createElement('div'))
    onTestFinished(() => root.unmount())
    const show = (mode: 'visible' | 'hidden') =>
      root.render(createElement(Activity, { mode } as ActivityProps, createElement(Shown)))
    show('visible')
    await last(texts, 'open:')
    feed.write('id: 1\ndata: a\n\n')
    await last(texts, 'open:a')
    show('hidden')
    await feed.openToBe(0)
    show('visible')
    await feed.openToBe(1)
    feed.write('id: 2\ndata: b\n\n')
    await last(texts, 'open:a,b')
    expect(feed.requests.map(({ headers }) => headers['last-event-id'])).toEqual([undefined, '1'])
  })

  test('a hidden Activity does not have an answer paid for twice', async () => {
    const feed = await serveFeed()
    const texts: string[] = []
    let again!: () => void
    function Shown() {
      const { status, data, reconnect } = useEvents(feed.url, { json: { prompt: 'hi' } })
      again = reconnect
      const text = `${status}:${data}`
      texts.push(text)
      return createElement('p', null, text)
    }
    const root = createRoot(document.createElement('div'))
    onTestFinished(() => root.unmount())
    const show = (mode: 'visible' | 'hidden') =>
      root.render(createElement(Activity, { mode } as ActivityProps, createElement(Shown)))
    show('visible')
    await last(texts, 'open:undefined')
    feed.write('data: Hel\n\n')
    await last(texts, 'open:Hel')
    show('hidden')
    await feed.openToBe(0)
    show('visible')
    await last(texts, 'closed:Hel')
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(feed.requests.length).toBe(1)
    again()
    await last(texts, 'open:undefined')
    expect(feed.requests.length).toBe(2)
  })

  test('onEvent of the last render hears each event; fail() of the first ends the attempt', async () => {
    const feed = await serveFeed()
    const heard: string[] = []
    let fail!: UseEventsResult['fail']
    const { texts, rerender } = render((turn: number) => {
      const stream = useEvents(feed.url, {
        retry: { delay: 60_000, jitter: 0 },
        onEvent: ({ data }) => heard.push(`${turn}:${data}`),
      })
      fail ??= stream.fail
      const { status, retryAt, failures } = stream
      return `${status}:${failures}:${retryAt !== undefined && retryAt > Date.now()}`
    }, 1)
    await last(texts, 'open:0:false')
    rerender(2)
    await vi.waitFor(() => expect(texts.length).toBeGreaterThan(3))
    feed.write('data: a\n\ndata: b\n\n')
    await vi.waitFor(() => expect(heard).toEqual(['2:a', '2:b']))
    fail('subscribe refused')
    await last(texts, 'waiting:1:true')
  })

  test('another URL is another stream, whose first render shows nothing of the other', async () => {
    const feed = await serveFeed()
    const { texts, rerender } = render((room: string) => {
      const { status, data, lastEventId } = useEvents(`${feed.url}/${room}`)
      return [room, status, data, lastEventId].join(':')
    }, 'a')
    await last(texts, 'a:open::')
    feed.write('id: 1\ndata: in a\n\n')
    await last(texts, 'a:open:in a:1')
    rerender('b')
    await last(texts, 'b:open::')
    expect(once(texts).slice(-3)).toEqual(['b:idle::', 'b:connecting::', 'b:open::'])
    await feed.openToBe(1)
    expect(feed.requests.map(({ path }) => path)).toEqual(['/a', '/b'])
    expect(feed.requests[1]?.headers['last-event-id']).toBeUndefined()
  })

  test('with immediate: false another URL is opened where the one before was running', async () => {
    const feed = await serveFeed()
    const made: UseEventsResult[] = []
    const { texts, rerender } = render((room: string) => {
      const stream = useEvents(`${feed.url}/${room}`, { immediate: false })
      made.push(stream)
      return `${room}:${stream.status}`
    }, 'a')
    await last(texts, 'a:idle')
    rerender('b')
    await last(texts, 'b:idle')
    made.at(-1)?.open()
    await last(texts, 'b:open')
    rerender('c')
    await last(texts, 'c:open')
    made.at(-1)?.close()
    await last(texts, 'c:closed')
    rerender('d')
    await last(texts, 'd:idle')
    await feed.openToBe(0)
    expect(feed.requests.map(({ path }) => path)).toEqual(['/b', '/c'])
  })

  test('other JSON is another stream', async () => {
    const feed = await serveFeed()
    const { rerender } = render(
      (prompt: string) => useEvents(feed.url, { json: { prompt } }).status,
      'one',
    )
    await feed.openToBe(1)
    rerender('two')
    await vi.waitFor(() => expect(feed.requests.length).toBe(2))
    expect(feed.requests.map(({ method, body }) => method + body)).toEqual([
      'POST{"prompt":"one"}',
      'POST{"prompt":"two"}',
    ])
    await feed.openToBe(1)
  })

  test.each([[null], [undefined], [false]] as const)('%s is off', async (off) => {
    const feed = await serveFeed()
    const { texts, rerender } = render(
      (url: string | null | undefined | false) => list(useEvents(url)),
      off,
    )
    await last(texts, 'idle:')
    rerender(feed.url)
    await last(texts, 'open:')
    feed.write('data: a\n\n')
    await last(texts, 'open:a')
    rerender(off)
    await last(texts, 'idle:')
    await feed.socketsToBe(0)
    expect(feed.requests.length).toBe(1)
  })

  test('the functions of the first render serve the streams that follow', async () => {
    const feed = await serveFeed()
    const made: UseEventsResult[] = []
    const { texts, rerender } = render(
      (room: string | null) => {
        const stream = useEvents(room && `${feed.url}/${room}`)
        made.push(stream)
        return `${room}:${stream.status}`
      },
      null as string | null,
    )
    await last(texts, 'null:idle')
    const { open, close, reconnect } = made[0] as UseEventsResult
    rerender('b')
    await last(texts, 'b:open')
    close()
    await last(texts, 'b:closed')
    reconnect()
    await last(texts, 'b:open')
    open()
    await feed.socketsToBe(1)
    await vi.waitFor(() => expect(feed.requests.length).toBe(3))
    for (const stream of made) expect(stream).toMatchObject({ open, close, reconnect })
  })

  test('with immediate: false it waits for open(); close, reconnect and open never change', async () => {
    const feed = await serveFeed()
    const made: UseEventsResult[] = []
    const { texts, rerender } = render((_: number) => {
      const stream = useEvents(feed.url, { immediate: false })
      made.push(stream)
      return list(stream)
    }, 1)
    rerender(2)
    await last(texts, 'idle:')
    expect(feed.requests.length).toBe(0)
    const { open, close, reconnect } = made[0] as UseEventsResult
    open()
    await last(texts, 'open:')
    feed.write('id: 1\ndata: a\n\n')
    await last(texts, 'open:a')
    close()
    await last(texts, 'closed:a')
    await feed.openToBe(0)
    reconnect()
    await last(texts, 'open:a')
    await feed.openToBe(1)
    feed.write('id: 2\ndata: b\n\n')
    await last(texts, 'open:a,b')
    open()
    await last(texts, 'open:')
    expect(feed.requests.map(({ headers }) => headers['last-event-id'])).toEqual([
      undefined,
      '1',
      undefined,
    ])
    for (const stream of made) expect(stream).toMatchObject({ open, close, reconnect })
  })

  test.each([[false], [true]])(
    '10,000 events written one by one make no more than a few hundred renders (strict: %s)',
    async (strict) => {
      const feed = await serveFeed()
      const { texts } = render((url: string) => useEvents(url).data, feed.url, { strict })
      await feed.openToBe(1)
      for (let number = 1; number <= 10_000; number++) feed.write(`data: ${number}\n\n`)
      await last(texts, '10000')
      expect(texts.length).toBeLessThan(500)
    },
  )

  test('a reducer makes the state, validated() the data', async () => {
    const feed = await serveFeed()
    const { texts } = render(
      (url: string) =>
        useEvents(url, {
          decode: validated({
            add: z.object({ n: z.number() }),
            subtract: z.object({ n: z.number() }),
          }),
          initial: 0,
          reduce: (sum, { type, data }) => (type === 'add' ? sum + data.n : sum - data.n),
        }).events,
      feed.url,
    )
    await feed.openToBe(1)
    feed.write(
      'event: add\ndata: {"n":5}\n\nevent: other\ndata: 1\n\nevent: subtract\ndata: {"n":2}\n\n',
    )
    await last(texts, '3')
    expect(texts[0]).toBe('0')
  })

  test('a reducer that throws closes the stream, and is reported', async () => {
    const reported = uncaught()
    const feed = await serveFeed()
    const broken = new Error('broken reducer')
    const { texts } = render((url: string) => {
      const { status, error } = useEvents(url, {
        initial: 0,
        reduce() {
          throw broken
        },
      })
      return `${status}:${error?.message}`
    }, feed.url)
    await feed.openToBe(1)
    feed.write('data: a\n\n')
    await last(texts, 'closed:broken reducer')
    await vi.waitFor(() => expect(reported).toEqual([broken]))
    await feed.socketsToBe(0)
  })

  test('options that can never work go to the error boundary', async () => {
    consoleErrors()
    const caught: unknown[] = []
    class Boundary extends Component<{ children: ReactNode }> {
      override state = { failed: false }
      static getDerivedStateFromError() {
        return { failed: true }
      }
      override componentDidCatch(error: unknown) {
        caught.push(error)
      }
      override render() {
        return this.state.failed ? null : this.props.children
      }
    }
    function Broken() {
      useEvents('http://localhost', { limit: -1 })
      return null
    }
    const root = createRoot(document.createElement('div'))
    onTestFinished(() => root.unmount())
    root.render(createElement(Boundary, null, createElement(Broken)))
    await vi.waitFor(() => expect(caught.length).toBe(1))
    expect(caught).toMatchObject([{ name: 'RangeError', message: /^Expected limit / }])
  })

  test('a function of the attempt makes the URL, and a new one reopens nothing', async () => {
    const feed = await serveFeed((_, number) => (number === 1 ? 503 : 200))
    const { texts, rerender } = render(
      (turn: number) => useEvents(({ number }) => `${feed.url}/${turn}-${number}`, quick).status,
      1,
    )
    await last(texts, 'open')
    rerender(2)
    feed.end()
    await vi.waitFor(() => expect(feed.requests.length).toBe(3))
    expect(feed.requests.map(({ path }) => path)).toEqual(['/1-1', '/1-2', '/2-3'])
  })
})

describe('on a server', () => {
  test('nothing is requested, and the page finds what it expects', async () => {
    const errors = consoleErrors()
    const feed = await serveFeed()
    const Page = () => createElement('p', null, useEvents(feed.url).status)
    const html = renderToString(createElement(Page))
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect([html, feed.requests.length]).toEqual(['<p>idle</p>', 0])

    const container = document.createElement('div')
    container.innerHTML = html
    const root = hydrateRoot(container, createElement(Page))
    onTestFinished(() => root.unmount())
    await vi.waitFor(() => expect(container.innerHTML).toBe('<p>open</p>'))
    expect(feed.requests.length).toBe(1)
    expect(errors).toEqual([])
  })
})

describe('TanStack Query’s streamedQuery', () => {
  test('takes a stream: it collects the events, and closes the socket on unmount', async () => {
    const feed = await serveFeed()
    const client = new QueryClient({ defaultOptions: { queries: { retry: false } } })
    const texts: string[] = []
    // #region query
    function Prices({ url }: { url: string }) {
      const { data = [], fetchStatus } = useQuery({
        queryKey: ['prices', url],
        queryFn: streamedQuery({ streamFn: ({ signal }) => events(url, { signal }) }),
      })
      const text = `${fetchStatus}:${data.map((event) => event.data)}`
      // #endregion
      texts.push(text)
      return createElement('p', null, text)
    }
    const root = createRoot(document.createElement('div'))
    root.render(
      createElement(QueryClientProvider, { client }, createElement(Prices, { url: feed.url })),
    )
    await feed.openToBe(1)
    feed.write('data: a\n\n')
    await last(texts, 'fetching:a')
    feed.write('data: b\n\n')
    await last(texts, 'fetching:a,b')
    root.unmount()
    await feed.socketsToBe(0)
    expect(feed.requests.length).toBe(1)
    client.clear()
  })

  test('a stream that completes is a query that is done', async () => {
    const feed = await serveFeed()
    const client = new QueryClient()
    const answer = client.fetchQuery({
      queryKey: ['answer'],
      queryFn: streamedQuery({
        streamFn: ({ signal }) =>
          events(feed.url, { signal, json: { prompt: 'hi' }, until: '[DONE]' }),
        reducer: (text: string, { data }) => text + data,
        initialValue: '',
      }),
    })
    await feed.openToBe(1)
    feed.write('data: Hel\n\ndata: lo\n\ndata: [DONE]\n\n')
    expect(await answer).toBe('Hello')
    await feed.socketsToBe(0)
    client.clear()
  })
})

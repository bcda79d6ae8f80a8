import '../support/page'

import { useEventSource as useVueUse } from '@vueuse/core'
import { EventSource as StandardEventSource } from 'eventsource'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  type App,
  type Component,
  computed,
  createApp,
  createSSRApp,
  defineComponent,
  effectScope,
  h,
  nextTick,
  onMounted,
  reactive,
  ref,
  shallowRef,
  watch,
  watchEffect,
} from 'vue'
import { renderToString } from 'vue/server-renderer'
import { z } from 'zod'
import { useEventSource, useEvents } from '../../src/bindings/vue'
import { validated } from '../../src/parts/validated'
import { serveFeed } from '../support/feed'
import { uncaught } from '../support/uncaught'

/** The page has no EventSource of its own; VueUse takes the page's. */
vi.stubGlobal('EventSource', StandardEventSource)

/** Mounts a component with this setup, whose root shows what `show` makes. */
function mount<T>(
  setup: () => T,
  show: (made: T) => unknown = () => '',
  onError?: (error: unknown) => void,
) {
  let made!: T
  const texts: string[] = []
  const app = createApp(
    defineComponent(() => {
      made = setup()
      return () => {
        const text = String(show(made))
        texts.push(text)
        return h('p', text)
      }
    }),
  )
  app.config.errorHandler = onError
  const root = document.createElement('div')
  app.mount(root)
  let mounted = true
  const unmount = () => {
    if (mounted) app.unmount()
    mounted = false
  }
  onTestFinished(unmount)
  return { ...made, app, root, texts, unmount }
}

const quick = { retry: { delay: 1, jitter: 0 } }

function warnings(): unknown[][] {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
  const error = vi.spyOn(console, 'error').mockImplementation(() => {})
  onTestFinished(() => {
    warn.mockRestore()
    error.mockRestore()
  })
  return new Proxy([], {
    get: (_, key) => Reflect.get([...warn.mock.calls, ...error.mock.calls], key),
  })
}

describe('useEvents in a component', () => {
  test('is idle until mounted, shows what comes, and leaves nothing after unmount', async () => {
    const feed = await serveFeed()
    const { texts, status, data, lastEventId, unmount } = mount(
      () => useEvents(feed.url),
      ({ status, events }) => `${status.value}:${events.value.map(({ data }) => data)}`,
    )
    expect(texts).toEqual(['idle:'])
    await feed.openToBe(1)
    await vi.waitFor(() => expect(texts.at(-1)).toBe('open:'))
    feed.write('id: 1\ndata: a\n\n')
    await vi.waitFor(() => expect(texts.at(-1)).toBe('open:a'))
    feed.write('id: 2\ndata: b\n\n')
    await vi.waitFor(() => expect(texts.at(-1)).toBe('open:a,b'))
    expect(texts).toEqual(['idle:', 'connecting:', 'open:', 'open:a', 'open:a,b'])
    unmount()
    expect([status.value, data.value, lastEventId.value]).toEqual(['closed', 'b', '2'])
    await feed.socketsToBe(0)
    expect(feed.requests.length).toBe(1)
  })

  test('the status tells of each wait and attempt, with its error until the next is open', async () => {
    const feed = await serveFeed((_, number) => (number === 2 ? 503 : 200))
    const story: string[] = []
    const { data } = mount(() => {
      const stream = useEvents(feed.url, quick)
      watchEffect(
        () => {
          const { status, error } = stream
          const code = error.value && 'code' in error.value ? `:${error.value.code}` : ''
          story.push(status.value + code)
        },
        { flush: 'sync' },
      )
      return stream
    })
    await feed.openToBe(1)
    feed.write('data: a\n\n')
    await vi.waitFor(() => expect(data.value).toBe('a'))
    feed.cut()
    await vi.waitFor(() => expect(story.at(-1)).toBe('open'))
    await vi.waitFor(() => expect(story.filter((line) => line === 'open').length).toBe(2))
    // Status and error change together.
    expect(story.filter((line, index) => line !== story[index - 1])).toEqual([
      'idle',
      'connecting',
      'open',
      'waiting:network',
      'connecting:network',
      'waiting:status',
      'connecting:status',
      'open',
    ])
  })

  test('another URL is another stream; several in one tick are one', async () => {
    const feed = await serveFeed()
    const room = ref('a')
    const { texts, lastEventId } = mount(
      () => useEvents(() => `${feed.url}/${room.value}`),
      ({ status, data }) => `${room.value}:${status.value}:${data.value}`,
    )
    await feed.openToBe(1)
    feed.write('id: 1\ndata: in a\n\n')
    await vi.waitFor(() => expect(texts.at(-1)).toBe('a:open:in a'))
    room.value = 'b'
    room.value = 'c'
    await vi.waitFor(() => expect(texts.at(-1)).toBe('c:open:undefined'))
    expect(lastEventId.value).toBe('')
    await feed.openToBe(1)
    expect(feed.requests.map(({ path }) => path)).toEqual(['/a', '/c'])
    expect(feed.requests[1]?.headers['last-event-id']).toBeUndefined()
    // One room's events are never shown as another's.
    expect(texts.filter((text) => text.startsWith('c:') && text.endsWith('in a'))).toEqual([])
  })

  test('other JSON is another stream, an equal one is not', async () => {
    const feed = await serveFeed()
    const prompt = ref('one')
    const { status } = mount(() =>
      useEvents(feed.url, () => ({ json: { prompt: prompt.value, unseen: {} } })),
    )
    await feed.openToBe(1)
    prompt.value = 'two'
    prompt.value = 'one'
    await nextTick()
    prompt.value = 'two'
    await vi.waitFor(() => expect(feed.requests.length).toBe(2))
    await vi.waitFor(() => expect(status.value).toBe('open'))
    expect(feed.requests.map(({ method, body }) => `${method} ${JSON.parse(body).prompt}`)).toEqual(
      ['POST one', 'POST two'],
    )
    await feed.openToBe(1)
  })

  test('headers that change reopen nothing; the next attempt has them', async () => {
    const feed = await serveFeed()
    const token = ref('1')
    const options = reactive({ ...quick, headers: computed(() => ({ 'x-token': token.value })) })
    mount(() => useEvents(feed.url, options))
    await feed.openToBe(1)
    token.value = '2'
    await nextTick()
    expect(feed.requests.length).toBe(1)
    feed.end()
    await vi.waitFor(() => expect(feed.requests.length).toBe(2))
    expect(feed.requests.map(({ headers }) => headers['x-token'])).toEqual(['1', '2'])
  })

  test('a question set and asked in one go is one request', async () => {
    const feed = await serveFeed()
    const question = ref('')
    const { open, status } = mount(() =>
      useEvents(feed.url, () => ({ json: question.value, immediate: false })),
    )
    question.value = 'why?'
    open()
    await vi.waitFor(() => expect(status.value).toBe('open'))
    expect(feed.requests.map(({ body }) => body)).toEqual(['"why?"'])
  })

  test('with immediate: false it waits for open(), and a change asks for nothing', async () => {
    const feed = await serveFeed()
    const room = ref('a')
    const { open, close, status } = mount(() =>
      useEvents(() => `${feed.url}/${room.value}`, { immediate: false }),
    )
    room.value = 'b'
    await nextTick()
    expect([status.value, feed.requests.length]).toEqual(['idle', 0])
    open()
    await feed.openToBe(1)
    // What runs goes on with the new URL.
    room.value = 'c'
    await vi.waitFor(() => expect(feed.requests.map(({ path }) => path)).toEqual(['/b', '/c']))
    close()
    room.value = 'd'
    await nextTick()
    expect(status.value).toBe('idle')
    await feed.socketsToBe(0)
    expect(feed.requests.length).toBe(2)
  })

  test('no input is off', async () => {
    const feed = await serveFeed()
    const on = ref(false)
    const { status, open } = mount(() => useEvents(() => on.value && feed.url))
    open()
    expect(status.value).toBe('idle')
    on.value = true
    await feed.openToBe(1)
    on.value = false
    await feed.socketsToBe(0)
    expect(status.value).toBe('idle')
    expect(feed.requests.length).toBe(1)
  })

  test('close, reconnect and open do what they say', async () => {
    const feed = await serveFeed()
    const { close, reconnect, open, status, events, data } = mount(() => useEvents(feed.url))
    await feed.openToBe(1)
    feed.write('id: 1\ndata: a\n\n')
    await vi.waitFor(() => expect(data.value).toBe('a'))
    close()
    expect(status.value).toBe('closed')
    await feed.openToBe(0)
    reconnect()
    expect(status.value).toBe('connecting')
    await feed.openToBe(1)
    feed.write('id: 2\ndata: b\n\n')
    await vi.waitFor(() => expect(events.value.map(({ data }) => data)).toEqual(['a', 'b']))
    open()
    expect(events.value).toEqual([])
    await vi.waitFor(() => expect(feed.requests.length).toBe(3))
    expect(feed.requests.map(({ headers }) => headers['last-event-id'])).toEqual([
      undefined,
      '1',
      undefined,
    ])
    await feed.openToBe(1)
  })

  test('what is passed to reconnect() is ignored: it is put on buttons', async () => {
    const feed = await serveFeed()
    const { reconnect, data } = mount(() => useEvents(feed.url))
    await feed.openToBe(1)
    feed.write('id: 1\ndata: a\n\n')
    await vi.waitFor(() => expect(data.value).toBe('a'))
    ;(reconnect as (event: unknown) => void)(new Event('click'))
    await vi.waitFor(() => expect(feed.requests.length).toBe(2))
    expect(feed.requests[1]?.headers['last-event-id']).toBe('1')
  })

  test('fail() asks the policy; the state says when the next attempt is due', async () => {
    const feed = await serveFeed()
    const { fail, status, retryAt, failures, error } = mount(() =>
      useEvents(feed.url, { retry: { delay: 60_000, jitter: 0 } }),
    )
    await vi.waitFor(() => expect(status.value).toBe('open'))
    expect([retryAt.value, failures.value]).toEqual([undefined, 0])
    const from = Date.now()
    fail('subscribe refused')
    expect(status.value).toBe('waiting')
    await vi.waitFor(() => expect(retryAt.value).toBeGreaterThanOrEqual(from + 60_000))
    expect(failures.value).toBe(1)
    expect(error.value).toMatchObject({ code: 'refused', cause: 'subscribe refused' })
  })

  test('onEvent hears each event; the state follows', async () => {
    const feed = await serveFeed()
    const story: unknown[] = []
    const { data } = mount(() => {
      const stream = useEvents(feed.url, {
        onEvent: ({ data }) => story.push(data, stream.data.value),
      })
      return stream
    })
    await feed.openToBe(1)
    feed.write('data: a\n\ndata: b\n\n')
    await vi.waitFor(() => expect(data.value).toBe('b'))
    expect(story).toEqual(['a', undefined, 'b', undefined])
  })

  test('a watcher in sync that opens what is closed leaves one connection, which close() closes', async () => {
    const feed = await serveFeed()
    const url = ref(`${feed.url}/a`)
    const { close, open, status, unmount } = mount(() => {
      const stream = useEvents(url)
      watch(stream.status, (now) => now === 'closed' && left-- > 0 && stream.open(), {
        flush: 'sync',
      })
      return stream
    })
    let left = 0
    await vi.waitFor(() => expect(status.value).toBe('open'))
    left = 1
    close()
    expect(status.value).toBe('connecting')
    await vi.waitFor(() => expect(feed.requests.length).toBe(2))
    await feed.openToBe(1)
    // Neither a new beginning nor another URL is told as an end.
    left = 5
    open()
    await vi.waitFor(() => expect(feed.requests.length).toBe(3))
    url.value = `${feed.url}/b`
    await vi.waitFor(() => expect(feed.requests.length).toBe(4))
    await feed.openToBe(1)
    expect(left).toBe(5)
    left = 0
    close()
    await feed.openToBe(0)
    open()
    await vi.waitFor(() => expect(status.value).toBe('open'))
    left = 5
    unmount()
    await feed.socketsToBe(0)
    expect(feed.requests.length).toBe(5)
  })

  test('10,000 events written one by one make no more than a few hundred renders', async () => {
    const feed = await serveFeed()
    const { texts } = mount(
      () => useEvents(feed.url),
      ({ data }) => data.value,
    )
    await feed.openToBe(1)
    for (let number = 1; number <= 10_000; number++) feed.write(`data: ${number}\n\n`)
    await vi.waitFor(() => expect(texts.at(-1)).toBe('10000'), { timeout: 10_000 })
    expect(texts.length).toBeLessThan(500)
  })

  test('a reducer makes the state, validated() the data', async () => {
    const feed = await serveFeed()
    const { events } = mount(() =>
      useEvents(feed.url, {
        decode: validated({
          add: z.object({ n: z.number() }),
          subtract: z.object({ n: z.number() }),
        }),
        initial: 0,
        reduce: (sum, { type, data }) => (type === 'add' ? sum + data.n : sum - data.n),
      }),
    )
    expect(events.value).toBe(0)
    await feed.openToBe(1)
    feed.write(
      'event: add\ndata: {"n":5}\n\nevent: other\ndata: 1\n\nevent: subtract\ndata: {"n":2}\n\n',
    )
    await vi.waitFor(() => expect(events.value).toBe(3))
  })

  test('a reducer that throws closes the stream, and is reported', async () => {
    const reported = uncaught()
    const feed = await serveFeed()
    const broken = new Error('broken reducer')
    const { texts } = mount(
      () =>
        useEvents(feed.url, {
          initial: 0,
          reduce() {
            throw broken
          },
        }),
      ({ status, error }) => `${status.value}:${error.value?.message}`,
    )
    await feed.openToBe(1)
    feed.write('data: a\n\n')
    await vi.waitFor(() => expect(texts.at(-1)).toBe('closed:broken reducer'))
    await vi.waitFor(() => expect(reported).toEqual([broken]))
    await feed.socketsToBe(0)
  })

  test('options that can never work go to Vue’s error handler', async () => {
    const handled: unknown[] = []
    const app = createApp(
      defineComponent(() => {
        useEvents('http://localhost', { limit: -1 })
        return () => h('p')
      }),
    )
    app.config.errorHandler = (error) => handled.push(error)
    app.mount(document.createElement('div'))
    onTestFinished(() => app.unmount())
    expect(handled).toMatchObject([{ name: 'RangeError', message: /^Expected limit / }])
  })

  test('an input that can never work may be followed by one that does', async () => {
    const feed = await serveFeed()
    const url = ref('http://')
    const handled: unknown[] = []
    const { status, unmount } = mount(
      () => useEvents(url),
      () => '',
      (error) => handled.push(error),
    )
    expect([status.value, handled.length]).toEqual(['idle', 1])
    url.value = feed.url
    await vi.waitFor(() => expect(status.value).toBe('open'))
    unmount()
    await feed.socketsToBe(0)
  })

  test('nothing opens after an unmount, even where the mount failed', async () => {
    const feed = await serveFeed()
    const options = reactive({ limit: -1 })
    const { open, unmount } = mount(
      () => useEvents(feed.url, options),
      () => '',
      () => {},
    )
    unmount()
    options.limit = 1
    open()
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(feed.requests.length).toBe(0)
  })

  test('a function of the attempt comes from a getter', async () => {
    const feed = await serveFeed((_, number) => (number === 1 ? 503 : 200))
    const { status } = mount(() =>
      useEvents(() => (attempt) => `${feed.url}/${attempt.number}`, quick),
    )
    await vi.waitFor(() => expect(status.value).toBe('open'))
    expect(feed.requests.map(({ path }) => path)).toEqual(['/1', '/2'])
  })
})

describe('useEvents elsewhere', () => {
  test('in an effect scope it opens at once, and is closed with it', async () => {
    const feed = await serveFeed()
    const url = shallowRef<string>(`${feed.url}/a`)
    const scope = effectScope()
    const stream = scope.run(() => useEvents(url))
    expect(stream?.status.value).toBe('connecting')
    await feed.openToBe(1)
    scope.stop()
    expect(stream?.status.value).toBe('closed')
    await feed.socketsToBe(0)
    url.value = `${feed.url}/b`
    await nextTick()
    stream?.open()
    stream?.reconnect()
    await new Promise((resolve) => setImmediate(resolve))
    expect(feed.requests.length).toBe(1)
  })

  test('in a scope that is disposed before the component is mounted it opens nothing', async () => {
    const feed = await serveFeed()
    const { status } = mount(() => {
      const scope = effectScope()
      const stream = scope.run(() => useEvents(feed.url))
      scope.stop()
      return stream as NonNullable<typeof stream>
    })
    await new Promise((resolve) => setImmediate(resolve))
    expect([status.value, feed.requests.length]).toEqual(['idle', 0])
  })

  test('in a mounted hook it opens at once, and is closed with the component', async () => {
    const feed = await serveFeed()
    const { unmount } = mount(() => {
      onMounted(() => {
        useEvents(feed.url)
      })
      return {}
    })
    await feed.openToBe(1)
    unmount()
    await feed.socketsToBe(0)
  })

  test('without a page it waits for open(): a store may be rendering on a server', async () => {
    const feed = await serveFeed()
    const url = shallowRef(`${feed.url}/a`)
    const page = document
    vi.stubGlobal('document', undefined)
    onTestFinished(() => {
      vi.stubGlobal('document', page)
    })
    const scope = effectScope()
    onTestFinished(() => scope.stop())
    const stream = scope.run(() => useEvents(url))
    url.value = `${feed.url}/b`
    await nextTick()
    await new Promise((resolve) => setImmediate(resolve))
    expect([stream?.status.value, feed.requests.length]).toEqual(['idle', 0])
    stream?.open()
    await vi.waitFor(() => expect(feed.requests.map(({ path }) => path)).toEqual(['/b']))
  })
})

describe('on a server', () => {
  /** Renders to text, and gives the page time for a request that must not come. */
  async function render(component: Component): Promise<string> {
    const html = await renderToString(createSSRApp(component))
    await new Promise((resolve) => setTimeout(resolve, 20))
    return html
  }

  test('useEvents requests nothing, and the page finds what it expects', async () => {
    const warned = warnings()
    const feed = await serveFeed()
    let stream!: ReturnType<typeof useEvents>
    const component = defineComponent(() => {
      stream = useEvents(feed.url)
      return () => h('p', stream.status.value)
    })
    const html = await render(component)
    expect([html, feed.requests.length]).toEqual(['<p>idle</p>', 0])

    const root = document.createElement('div')
    root.innerHTML = html
    const app: App = createSSRApp(component)
    app.mount(root)
    onTestFinished(() => app.unmount())
    await vi.waitFor(() => expect(root.innerHTML).toBe('<p>open</p>'))
    expect(feed.requests.length).toBe(1)
    expect([...warned]).toEqual([])
  })

  test('useEventSource requests nothing, and the page finds what it expects', async () => {
    const warned = warnings()
    const feed = await serveFeed()
    const component = defineComponent(() => {
      const { status, open } = useEventSource(feed.url)
      open()
      return () => h('p', status.value)
    })
    const html = await render(component)
    expect([html, feed.requests.length]).toEqual(['<p>CONNECTING</p>', 0])

    const root = document.createElement('div')
    root.innerHTML = html
    const app = createSSRApp(component)
    app.mount(root)
    onTestFinished(() => app.unmount())
    await vi.waitFor(() => expect(root.innerHTML).toBe('<p>OPEN</p>'))
    expect([...warned]).toEqual([])
  })
})

describe.each([
  ['VueUse', useVueUse],
  ['ours', useEventSource as typeof useVueUse],
])('useEventSource, as both have it: %s', (_, use) => {
  test('returns the same members', () => {
    const made = mount(() => use(undefined))
    for (const name of ['app', 'root', 'texts', 'unmount']) Reflect.deleteProperty(made, name)
    expect(Object.keys(made).sort((a, b) => a.localeCompare(b))).toEqual([
      ...['close', 'data', 'error', 'event', 'eventSource', 'lastEventId', 'open', 'status'],
    ])
    const { data, error, event, eventSource, lastEventId } = made
    expect([data, error, event, eventSource, lastEventId].map(({ value }) => value)).toEqual(
      Array(5).fill(null),
    )
  })

  test('opens in setup, tells of messages and listed events, closes with the component', async () => {
    const feed = await serveFeed()
    const { eventSource, event, data, status, error, lastEventId, unmount } = mount(() =>
      use(feed.url, ['price'] as const as unknown as ['price']),
    )
    expect(status.value).toBe('CONNECTING')
    expect(eventSource.value).toMatchObject({ readyState: 0, withCredentials: false })
    const state = () => [event.value, data.value, lastEventId.value]
    await vi.waitFor(() => expect(status.value).toBe('OPEN'))
    expect(error.value).toBeNull()
    feed.write('id: 1\nevent: price\ndata: 5\n\n')
    await vi.waitFor(() => expect(state()).toEqual(['price', '5', '1']))
    feed.write('id: 2\ndata: hello\n\n')
    await vi.waitFor(() => expect(state()).toEqual([null, 'hello', '2']))
    feed.write('id: 3\nevent: other\ndata: unheard\n\nid: 4\nevent: price\ndata: 6\n\n')
    await vi.waitFor(() => expect(state()).toEqual(['price', '6', '4']))
    unmount()
    expect([status.value, eventSource.value]).toEqual(['CLOSED', null])
    await feed.socketsToBe(0)
  })

  test('close() closes, open() opens anew and keeps what was there', async () => {
    const feed = await serveFeed()
    const { close, open, status, data, eventSource } = mount(() => use(feed.url))
    await vi.waitFor(() => expect(status.value).toBe('OPEN'))
    feed.write('data: a\n\n')
    await vi.waitFor(() => expect(data.value).toBe('a'))
    close()
    expect([status.value, eventSource.value]).toEqual(['CLOSED', null])
    await feed.openToBe(0)
    open()
    expect([status.value, data.value]).toEqual(['CONNECTING', 'a'])
    await vi.waitFor(() => expect(status.value).toBe('OPEN'))
    expect(feed.requests.length).toBe(2)
  })

  test('immediate: false waits for open()', async () => {
    const feed = await serveFeed()
    const { open, status, eventSource } = mount(() => use(feed.url, [], { immediate: false }))
    await nextTick()
    expect([eventSource.value, feed.requests.length]).toEqual([null, 0])
    open()
    await vi.waitFor(() => expect(status.value).toBe('OPEN'))
  })

  test('opens anew when the URL changes, unless autoConnect is off', async () => {
    const feed = await serveFeed()
    const room = ref<string | undefined>('a')
    const url = () => room.value && `${feed.url}/${room.value}`
    mount(() => use(url as () => string))
    mount(() => use(() => `${feed.url}/fixed-${room.value}`, [], { autoConnect: false }))
    await feed.openToBe(2)
    room.value = 'b'
    await vi.waitFor(() => expect(feed.requests.length).toBe(3))
    expect(feed.requests.map(({ path }) => path).sort()).toEqual(['/a', '/b', '/fixed-a'])
    await feed.openToBe(2)
    room.value = undefined
    await feed.openToBe(1)
    expect(feed.requests.length).toBe(3)
  })

  test('a serializer makes the data; nothing of it is null', async () => {
    const feed = await serveFeed()
    const read = (text?: string) => JSON.parse(text ?? 'null')?.n
    const { data, status } = mount(() => use(feed.url, [], { serializer: { read } }))
    await vi.waitFor(() => expect(status.value).toBe('OPEN'))
    feed.write('data: {"n":5}\n\n')
    await vi.waitFor(() => expect(data.value).toBe(5))
    feed.write('data: null\n\n')
    await vi.waitFor(() => expect(data.value).toBeNull())
  })

  test('a status that closes the source closes it for good without autoReconnect', async () => {
    const feed = await serveFeed(() => 503)
    const { status, error } = mount(() => use(feed.url))
    await vi.waitFor(() => expect(status.value).toBe('CLOSED'))
    expect(error.value?.type).toBe('error')
    expect(feed.requests.length).toBe(1)
  })

  test('autoReconnect connects again after such a status', async () => {
    const feed = await serveFeed((_, number) => (number < 3 ? 503 : 200))
    const { status, error } = mount(() => use(feed.url, [], { autoReconnect: { delay: 5 } }))
    await vi.waitFor(() => expect(status.value).toBe('OPEN'))
    expect(error.value).toBeNull()
    expect(feed.requests.length).toBe(3)
  })

  test('autoReconnect ends with onFailed when a predicate says so', async () => {
    const feed = await serveFeed(() => 503)
    const onFailed = vi.fn()
    let left = 2
    const { status } = mount(() =>
      use(feed.url, [], { autoReconnect: { delay: 5, retries: () => left-- > 0, onFailed } }),
    )
    await vi.waitFor(() => expect(onFailed).toHaveBeenCalledOnce())
    expect([status.value, feed.requests.length]).toEqual(['CLOSED', 3])
  })

  test('with retries as a number it ends with onFailed', async () => {
    const feed = await serveFeed(() => 503)
    const onFailed = vi.fn()
    mount(() => use(feed.url, [], { autoReconnect: { delay: 5, retries: 2, onFailed } }))
    await vi.waitFor(() => expect(onFailed).toHaveBeenCalledOnce())
    // Ours retries as often as it is told to; VueUse counts the first attempt in.
    expect(feed.requests.length).toBe(use === useVueUse ? 2 : 3)
  })
})

describe('useEventSource, where VueUse falls short', () => {
  test('who watches the data finds the ID and the type of the same event', async () => {
    const feed = await serveFeed()
    const story: unknown[] = []
    mount(() => {
      const source = useEventSource(feed.url, ['price'])
      const { data, event, lastEventId } = source
      watch(data, (now) => story.push([event.value, now, lastEventId.value]), { flush: 'sync' })
      return source
    })
    await feed.openToBe(1)
    feed.write('id: 1\nevent: price\ndata: 5\n\nid: 2\ndata: 6\n\n')
    await vi.waitFor(() => {
      expect(story).toEqual([
        ['price', '5', '1'],
        [null, '6', '2'],
      ])
    })
  })

  test('who watches anything finds all of it as it is by then', async () => {
    const feed = await serveFeed((_, number) => (number === 2 ? 500 : 200))
    const story: unknown[] = []
    const { close } = mount(() => {
      const source = useEventSource(feed.url, ['price'])
      const { data, event, lastEventId, status, error, eventSource } = source
      for (const one of [data, event, lastEventId]) {
        const tell = () => story.push([data.value, event.value, lastEventId.value])
        watch(one, tell, { flush: 'sync' })
      }
      for (const one of [status, error, eventSource]) {
        const tell = () => story.push([status.value, error.value?.code, !eventSource.value])
        watch(one, tell, { flush: 'sync' })
      }
      return source
    })
    const told = () => [...new Set(story.splice(0).map((line) => JSON.stringify(line)))]
    await feed.openToBe(1)
    feed.write('retry: 1\nid: 1\nevent: price\ndata: 5\n\n')
    await vi.waitFor(() => expect(story.length).toBeGreaterThan(3))
    expect(told()).toEqual(['["OPEN",null,false]', '["5","price","1"]'])
    feed.cut()
    await vi.waitFor(() => expect(JSON.stringify(story)).toContain('CLOSED'))
    expect(told()).toEqual(['["CONNECTING","network",false]', '["CLOSED",500,false]'])
    close()
    expect(told()).toEqual(['["CLOSED",500,true]'])
  })

  test.each([
    ['VueUse', useVueUse, ['CONNECTING', 'OPEN', 'CLOSED', 'OPEN']],
    ['ours', useEventSource as typeof useVueUse, ['CONNECTING', 'OPEN', 'CONNECTING', 'OPEN']],
  ] as const)('the status while a lost connection is made anew: %s', async (_, use, told) => {
    const feed = await serveFeed()
    const story: string[] = []
    const { data } = mount(() => {
      const source = use(feed.url)
      watchEffect(() => story.push(source.status.value), { flush: 'sync' })
      return source
    })
    await feed.openToBe(1)
    feed.write('retry: 5\ndata: a\n\n')
    await vi.waitFor(() => expect(data.value).toBe('a'))
    feed.cut()
    await vi.waitFor(() => expect(story.length).toBe(4))
    expect(story).toEqual(told)
  })

  test('ours takes headers, a method and a body', async () => {
    const feed = await serveFeed()
    const { status } = mount(() =>
      useEventSource(feed.url, [], { headers: { 'x-token': '1' }, json: { prompt: 'hi' } }),
    )
    await vi.waitFor(() => expect(status.value).toBe('OPEN'))
    expect(feed.requests).toMatchObject([
      { method: 'POST', body: '{"prompt":"hi"}', headers: { 'x-token': '1' } },
    ])
  })

  test('ours says what went wrong', async () => {
    const feed = await serveFeed(() => 403)
    const { error, status } = mount(() => useEventSource(feed.url))
    await vi.waitFor(() => expect(status.value).toBe('CLOSED'))
    expect(error.value).toMatchObject({ type: 'error', status: 403, code: 403 })
  })

  test('ours resumes after autoReconnect where it was, and is CONNECTING while it waits', async () => {
    const feed = await serveFeed((_, number) => (number === 2 ? 503 : 200))
    const story: string[] = []
    const { data } = mount(() => {
      const source = useEventSource(feed.url, [], { autoReconnect: { delay: 5 } })
      watchEffect(() => story.push(source.status.value), { flush: 'sync' })
      return source
    })
    await feed.openToBe(1)
    feed.write('retry: 5\nid: 7\ndata: a\n\n')
    await vi.waitFor(() => expect(data.value).toBe('a'))
    feed.cut()
    await vi.waitFor(() => expect(feed.requests.length).toBe(3))
    await vi.waitFor(() => expect(story.at(-1)).toBe('OPEN'))
    expect(story).toEqual(['CONNECTING', 'OPEN', 'CONNECTING', 'OPEN'])
    expect(feed.requests.map(({ headers }) => headers['last-event-id'])).toEqual([
      undefined,
      '7',
      '7',
    ])
  })

  test('ours counts the retries of autoReconnect anew after an open connection', async () => {
    const feed = await serveFeed((_, number) => (number % 2 === 1 ? 503 : 200))
    const { status, data } = mount(() =>
      useEventSource(feed.url, [], { autoReconnect: { delay: 5, retries: 1 } }),
    )
    await feed.openToBe(1)
    feed.write('retry: 5\ndata: a\n\n')
    await vi.waitFor(() => expect(data.value).toBe('a'))
    feed.cut()
    await vi.waitFor(() => expect(feed.requests.length).toBe(4))
    await vi.waitFor(() => expect(status.value).toBe('OPEN'))
  })

  test('ours does not come back after a 204', async () => {
    const feed = await serveFeed(() => 204)
    const onFailed = vi.fn()
    const { status } = mount(() =>
      useEventSource(feed.url, [], { autoReconnect: { delay: 1, onFailed } }),
    )
    await vi.waitFor(() => expect(status.value).toBe('CLOSED'))
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect([feed.requests.length, onFailed.mock.calls.length]).toEqual([1, 0])
  })

  test('ours does not ask again for what until has completed', async () => {
    const feed = await serveFeed()
    const onFailed = vi.fn()
    const { status, data } = mount(() =>
      useEventSource(feed.url, [], { until: '[DONE]', autoReconnect: { delay: 1, onFailed } }),
    )
    await feed.openToBe(1)
    feed.write('data: a\n\ndata: [DONE]\n\n')
    await vi.waitFor(() => expect(status.value).toBe('CLOSED'))
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect([data.value, feed.requests.length, onFailed.mock.calls.length]).toEqual(['a', 1, 0])
  })

  test('ours does not repeat a POST, and says that there is no further try', async () => {
    const feed = await serveFeed()
    const onFailed = vi.fn()
    const { status, error } = mount(() =>
      useEventSource(feed.url, [], { json: 1, autoReconnect: { delay: 1, onFailed } }),
    )
    await feed.openToBe(1)
    feed.cut()
    await vi.waitFor(() => expect(status.value).toBe('CLOSED'))
    expect([feed.requests.length, onFailed.mock.calls.length]).toEqual([1, 1])
    expect(error.value).toMatchObject({ code: 'network', status: undefined })
  })

  test.each([
    ['1', 1000, 'CONNECTING'],
    ['1209600', undefined, 'CLOSED'],
  ])(
    'ours waits as long as the server asks, but not for a fortnight: %s s',
    async (seconds, least, expected) => {
      const onFailed = vi.fn()
      const refused = () => new Response('', { status: 503, headers: { 'retry-after': seconds } })
      const { status, error, eventSource } = mount(() =>
        useEventSource('http://localhost/', [], {
          fetch: async () => refused(),
          autoReconnect: { delay: 1, onFailed },
        }),
      )
      const from = Date.now()
      await vi.waitFor(() => expect(error.value).not.toBeNull())
      expect([status.value, onFailed.mock.calls.length]).toEqual([expected, least ? 0 : 1])
      const due = eventSource.value?.retryAt
      if (least) expect(due).toBeGreaterThanOrEqual(from + least)
      else expect(due).toBeUndefined()
    },
  )

  test.each([
    ['unheard where it is not listed', ['price'], [null, null]],
    ['heard where it is listed', ['price', 'error', 'open'], ['open', '2']],
  ])('a server’s event named error or open is an event: %s', async (_, listed, expected) => {
    const feed = await serveFeed()
    const { status, error, event, data } = mount(() => useEventSource(feed.url, listed))
    await vi.waitFor(() => expect(status.value).toBe('OPEN'))
    expect([event.value, data.value]).toEqual([null, null])
    feed.write('event: error\ndata: 1\n\n')
    await new Promise((resolve) => setTimeout(resolve, 10))
    expect([event.value, data.value]).toEqual(expected[0] ? ['error', '1'] : [null, null])
    expect([status.value, error.value]).toEqual(['OPEN', null])
    feed.write('event: open\ndata: 2\n\n')
    await new Promise((resolve) => setTimeout(resolve, 10))
    expect([event.value, data.value]).toEqual(expected)
    expect([status.value, error.value]).toEqual(['OPEN', null])
    feed.write('event: price\ndata: 3\n\n')
    await vi.waitFor(() => expect([event.value, data.value]).toEqual(['price', '3']))
  })

  test('a watcher in sync that opens what is closed leaves one connection', async () => {
    const feed = await serveFeed()
    let left = 0
    const { close, open, status, eventSource } = mount(() => {
      const source = useEventSource(feed.url)
      watch(source.status, (now) => now === 'CLOSED' && left-- > 0 && source.open(), {
        flush: 'sync',
      })
      return source
    })
    await vi.waitFor(() => expect(status.value).toBe('OPEN'))
    left = 1
    close()
    expect([status.value, eventSource.value?.readyState]).toEqual(['CONNECTING', 0])
    await vi.waitFor(() => expect(status.value).toBe('OPEN'))
    await vi.waitFor(() => expect(feed.requests.length).toBe(2))
    await feed.openToBe(1)
    left = 5
    open()
    await vi.waitFor(() => expect(feed.requests.length).toBe(3))
    await feed.openToBe(1)
    expect(left).toBe(5)
    left = 0
    close()
    await feed.socketsToBe(0)
    expect([status.value, eventSource.value]).toEqual(['CLOSED', null])
  })

  test('another URL that cannot be parsed closes what there is', async () => {
    const feed = await serveFeed()
    const url = ref(feed.url)
    const handled: unknown[] = []
    const { status, eventSource } = mount(
      () => useEventSource(url),
      () => '',
      (error) => handled.push(error),
    )
    await vi.waitFor(() => expect(status.value).toBe('OPEN'))
    url.value = 'http://'
    await vi.waitFor(() => expect(handled).toMatchObject([{ name: 'SyntaxError' }]))
    expect([status.value, eventSource.value]).toEqual(['CLOSED', null])
    await feed.socketsToBe(0)
  })

  test('open() has no effect once the scope is disposed', async () => {
    const feed = await serveFeed()
    const scope = effectScope()
    const source = scope.run(() => useEventSource(feed.url))
    scope.stop()
    source?.open()
    expect([source?.status.value, source?.eventSource.value]).toEqual(['CLOSED', null])
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(feed.requests.length).toBe(0)
  })

  test('a gate that lets the connection go is told', async () => {
    const feed = await serveFeed()
    let release!: () => void
    let shut = false
    const { status } = mount(() =>
      useEventSource(feed.url, [], {
        gate(attempt) {
          release = attempt.release
          return shut ? new Promise(() => {}) : undefined
        },
      }),
    )
    await vi.waitFor(() => expect(status.value).toBe('OPEN'))
    shut = true
    release()
    await vi.waitFor(() => expect(status.value).toBe('CONNECTING'))
    await feed.socketsToBe(0)
  })

  test('nothing is left on a signal, whoever closes the source, also outside a scope', async () => {
    const feed = await serveFeed((_, number) => (number === 3 ? 403 : 200))
    const abort = new AbortController()
    const { signal } = abort
    const listeners = new Set<unknown>()
    const add = signal.addEventListener.bind(signal)
    const remove = signal.removeEventListener.bind(signal)
    Object.assign(signal, {
      addEventListener(type: string, listener: () => void) {
        listeners.add(listener)
        add(type, listener)
      },
      removeEventListener(type: string, listener: () => void) {
        listeners.delete(listener)
        remove(type, listener)
      },
    })
    const { open, close, status, eventSource } = useEventSource(feed.url, [], { signal })
    await vi.waitFor(() => expect(status.value).toBe('OPEN'))
    expect(listeners.size).toBeGreaterThan(0)
    close()
    expect(listeners.size).toBe(0)
    open()
    await vi.waitFor(() => expect(status.value).toBe('OPEN'))
    eventSource.value?.close()
    expect(listeners.size).toBe(0)
    open()
    await vi.waitFor(() => expect(status.value).toBe('CLOSED'))
    expect(listeners.size).toBe(0)
    open()
    await vi.waitFor(() => expect(status.value).toBe('OPEN'))
    abort.abort()
    expect([status.value, listeners.size]).toEqual(['CLOSED', 0])
  })

  test('ours is CLOSED when its signal is aborted in a wait', async () => {
    const feed = await serveFeed(() => 503)
    const abort = new AbortController()
    const { status, error } = mount(() =>
      useEventSource(feed.url, [], { signal: abort.signal, autoReconnect: { delay: 50 } }),
    )
    await vi.waitFor(() => expect(error.value).not.toBeNull(), { interval: 2 })
    abort.abort()
    expect(status.value).toBe('CLOSED')
    await new Promise((resolve) => setTimeout(resolve, 80))
    expect(feed.requests.length).toBe(1)
  })

  test('ours lets go of a wait when it is closed', async () => {
    const feed = await serveFeed(() => 503)
    const { status, error, close } = mount(() =>
      useEventSource(feed.url, [], { autoReconnect: { delay: 50 } }),
    )
    await vi.waitFor(() => expect(error.value).not.toBeNull(), { interval: 2 })
    close()
    await new Promise((resolve) => setTimeout(resolve, 80))
    expect([status.value, feed.requests.length]).toEqual(['CLOSED', 1])
  })

  test('ours is CLOSED when its signal is aborted', async () => {
    const feed = await serveFeed()
    const abort = new AbortController()
    const { status } = mount(() => useEventSource(feed.url, [], { signal: abort.signal }))
    await vi.waitFor(() => expect(status.value).toBe('OPEN'))
    abort.abort()
    expect(status.value).toBe('CLOSED')
    await feed.socketsToBe(0)
  })

  test('ours opens nothing with a signal that is aborted', async () => {
    const feed = await serveFeed()
    const room = ref('a')
    const abort = new AbortController()
    const { status } = mount(() =>
      useEventSource(() => `${feed.url}/${room.value}`, [], { signal: abort.signal }),
    )
    await vi.waitFor(() => expect(status.value).toBe('OPEN'))
    abort.abort()
    room.value = 'b'
    await nextTick()
    expect([status.value, feed.requests.length]).toEqual(['CLOSED', 1])
  })

  test('ours follows its source, whose reconnect() and close() take over from a wait', async () => {
    const feed = await serveFeed((_, number) => (number === 1 ? 503 : 200))
    const { status, error, eventSource } = mount(() =>
      useEventSource(feed.url, [], { autoReconnect: { delay: 60 } }),
    )
    await vi.waitFor(() => expect(error.value).not.toBeNull(), { interval: 2 })
    eventSource.value?.reconnect()
    expect(status.value).toBe('CONNECTING')
    await vi.waitFor(() => expect(status.value).toBe('OPEN'))
    await new Promise((resolve) => setTimeout(resolve, 90))
    expect(feed.requests.length).toBe(2)
    eventSource.value?.close()
    expect(status.value).toBe('CLOSED')
    eventSource.value?.reconnect()
    expect(status.value).toBe('CONNECTING')
    await vi.waitFor(() => expect(status.value).toBe('OPEN'))
  })

  test('ours is not opened again by a wait when its source was closed meanwhile', async () => {
    const feed = await serveFeed(() => 503)
    const { status, error, eventSource } = mount(() =>
      useEventSource(feed.url, [], { autoReconnect: { delay: 30 } }),
    )
    await vi.waitFor(() => expect(error.value).not.toBeNull(), { interval: 2 })
    eventSource.value?.close()
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect([status.value, feed.requests.length]).toEqual(['CLOSED', 1])
  })
})

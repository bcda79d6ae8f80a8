import { assertType, expectTypeOf, test } from 'vitest'
import {
  EventSource,
  type EventSourceInit,
  type OpenEvent,
  type SseError,
  type SseErrorEvent,
} from '../../src'

declare const source: EventSource

test('the class goes wherever the DOM’s own does', () => {
  assertType<typeof globalThis.EventSource>(EventSource)
  globalThis.EventSource = EventSource
  assertType<globalThis.EventSource>(source)
  const made: globalThis.EventSource = new EventSource('/', { withCredentials: true })
  expectTypeOf(made.readyState).toEqualTypeOf<number>()
  assertType<globalThis.EventSourceInit>({} as Pick<EventSourceInit, 'withCredentials'>)
})

test('its members have the DOM’s types, or narrower ones', () => {
  expectTypeOf(source.url).toEqualTypeOf<string>()
  expectTypeOf(source.withCredentials).toEqualTypeOf<boolean>()
  expectTypeOf(source.readyState).toEqualTypeOf<0 | 1 | 2>()
  expectTypeOf(source.close).toEqualTypeOf<() => void>()
  expectTypeOf([
    EventSource.CONNECTING,
    EventSource.OPEN,
    EventSource.CLOSED,
  ] as const).toEqualTypeOf<readonly [0, 1, 2]>()
  expectTypeOf([source.CONNECTING, source.OPEN, source.CLOSED] as const).toEqualTypeOf<
    readonly [0, 1, 2]
  >()
})

test('its constructor takes what the DOM’s takes, and no less', () => {
  new EventSource('/')
  new EventSource(new URL('http://localhost/'))
  new EventSource('/', null)
  // @ts-expect-error: the URL is required
  new EventSource()
  // @ts-expect-error: no URL
  new EventSource(1)
  // @ts-expect-error: the class sets it, from withCredentials
  new EventSource('/', { credentials: 'include' })
  new EventSource('/', {
    headers: async ({ error }) => {
      expectTypeOf(error).toEqualTypeOf<SseError | undefined>()
      return { authorization: '1' }
    },
    fetch: globalThis.fetch,
  })
})

test('handlers and listeners know their events', () => {
  source.onopen = (event) => expectTypeOf(event).toEqualTypeOf<OpenEvent>()
  source.onmessage = function (event) {
    // biome-ignore lint/suspicious/noExplicitAny: as in the DOM's own types
    expectTypeOf(event).toEqualTypeOf<MessageEvent<any>>()
    expectTypeOf(this).toEqualTypeOf<EventSource>()
  }
  source.onerror = (event) => {
    expectTypeOf(event).toEqualTypeOf<SseErrorEvent>()
    expectTypeOf(event.error).toEqualTypeOf<SseError | Error | undefined>()
    expectTypeOf(event.message).toEqualTypeOf<string>()
    expectTypeOf(event.status).toEqualTypeOf<number | undefined>()
    if (event.code === 404 || event.code === 'network') event.preventDefault()
    // @ts-expect-error: no code
    event.code === 'no code'
  }
  source.addEventListener('error', (event) => expectTypeOf(event).toEqualTypeOf<SseErrorEvent>())
  source.addEventListener('open', (event) => expectTypeOf(event).toEqualTypeOf<OpenEvent>())
  source.addEventListener('price', (event) => expectTypeOf(event).toEqualTypeOf<MessageEvent>())
  source.addEventListener('price', { handleEvent: (event) => assertType<Event>(event) })
  const listener = (event: MessageEvent<string>) => event.data
  source.addEventListener('price', listener, { once: true })
  source.removeEventListener('price', listener)
  source.onmessage = listener
  source.onerror = (event: Event) => event.type
  source.onopen = source.onmessage = source.onerror = null
  // @ts-expect-error: no handler
  source.onopen = 1
  // @ts-expect-error: no listener
  source.addEventListener('price', 1)
  // @ts-expect-error: no listener either
  source.addEventListener('price')
})

import {
  type ComputedRef,
  computed,
  getCurrentInstance,
  getCurrentScope,
  hasInjectionContext,
  inject,
  type MaybeRefOrGetter,
  onMounted,
  onScopeDispose,
  type Ref,
  type ShallowRef,
  shallowRef,
  ssrContextKey,
  toValue,
  watch,
} from 'vue'
import { EventSource, type EventSourceInit, type SseErrorEvent } from './event-source'
import {
  type AnyEvent,
  type EventsActions,
  type EventsState,
  LiveEvents,
  type LiveInput,
  type LiveRequest,
  requestKey,
  type UseEventsOptions,
} from './live-events'
import type { ServerSentEvent } from './parser'
import type { EventSchema, SchemaEvent } from './schema'

export type {
  AnyEvent,
  EventsActions,
  EventsState,
  LiveInput,
  LiveOptions,
  Reduction,
  UseEventsOptions,
} from './live-events'

/**
 * Where the stream is: a value, a ref or a getter. As a bare function is a getter, a function of the
 * attempt goes into a ref or comes from a getter.
 *
 * @example
 * ```ts
 * import { ref } from 'vue'
 * import { useEvents } from 'tidings/vue'
 *
 * const room = ref('lobby')
 * useEvents(() => `/api/rooms/${room.value}`)
 * useEvents(() => async ({ lastEventId }) => `/api/feed?after=${lastEventId}`)
 * ```
 */
export type UseEventsInput =
  | Exclude<LiveInput, (...args: never[]) => unknown>
  | Ref<LiveInput>
  | ComputedRef<LiveInput>
  | (() => LiveInput)

/**
 * What {@link useEvents} returns: the state of the stream as read-only refs, and three functions.
 *
 * @example
 * ```ts
 * import type { UseEventsReturn } from 'tidings/vue'
 *
 * const canRetry = ({ status }: UseEventsReturn) => /waiting|closed/.test(status.value)
 * ```
 */
export type UseEventsReturn<E extends AnyEvent = ServerSentEvent, S = E[]> = {
  readonly [Name in keyof EventsState<E, S>]: ComputedRef<EventsState<E, S>[Name]>
} & EventsActions

/**
 * An event stream as state of a component, or of an effect scope: opened when the component is
 * mounted (at once where there is none), closed when it is unmounted or the scope is disposed.
 * Nothing is requested while rendering on a server.
 *
 * Another URL, method or body (`json`, or a `body` that is text) is another stream: the state begins
 * anew, and it is opened where `immediate` says so or the one before was running. They are compared
 * by value. Functions, headers and `limit` may change: those of now are used, and nothing is reopened.
 * All other options are read when the stream is opened.
 *
 * Events that come together make one update.
 *
 * @param input - a URL, a `Request`, or a getter or ref of one; `null`, `undefined` and `false` are
 * off: status `'idle'`, and no events
 * @param options - a value, a getter, a ref or a reactive object
 * @throws {TypeError | RangeError} to Vue's error handler, for options that can never work
 *
 * @example
 * ```ts
 * import { ref } from 'vue'
 * import { useEvents } from 'tidings/vue'
 *
 * const market = ref('gold')
 * const token = ref('')
 * const { events, status } = useEvents(() => `/api/prices/${market.value}`, {
 *   headers: () => ({ Authorization: `Bearer ${token.value}` }),
 *   decode: JSON.parse,
 * })
 * ```
 */
export function useEvents<const S extends EventSchema, R = SchemaEvent<S>[]>(
  input: UseEventsInput,
  options: MaybeRefOrGetter<UseEventsOptions<SchemaEvent<S>, R> & { schema: S }>,
): UseEventsReturn<SchemaEvent<S>, R>
export function useEvents<T = string, R = ServerSentEvent<string, T>[]>(
  input: UseEventsInput,
  options?: MaybeRefOrGetter<UseEventsOptions<ServerSentEvent<string, T>, R, T>>,
): UseEventsReturn<ServerSentEvent<string, T>, R>
export function useEvents(
  input: UseEventsInput,
  options?: MaybeRefOrGetter<unknown>,
): UseEventsReturn<AnyEvent, unknown> {
  const latest: LiveRequest = {
    get input() {
      return toValue(input)
    },
    get options() {
      return (toValue(options) ?? {}) as LiveRequest['options']
    },
  }
  const key = () => requestKey(latest)
  const instance = getCurrentInstance()
  const scope = getCurrentScope()
  const mounting = instance && !instance.isMounted
  // A store of an app that renders on a server has no component to wait for.
  const byItself = mounting || globalThis.document
  const create = (running: boolean) =>
    new LiveEvents(key(), latest, running || (!!byItself && latest.options.immediate !== false))
  let live = create(false)
  const state = shallowRef(live.read())
  let entered = false
  const enter = () => {
    if (scope && !scope.active) return
    entered = true
    live.subscribe(() => {
      state.value = live.read()
    })
  }

  watch(key, () => {
    live.leave()
    live = create(live.wanted)
    state.value = live.read()
    if (entered) enter()
  })
  // Mounted, since a component that never is would not be unmounted either, and since what is
  // rendered on a server, idle, is then what the page finds.
  if (mounting) onMounted(enter)
  else enter()
  if (scope) onScopeDispose(() => live.leave())

  const member = <Name extends keyof EventsState<AnyEvent, unknown>>(name: Name) =>
    computed(() => state.value[name])
  return {
    events: member('events'),
    event: member('event'),
    data: member('data'),
    status: member('status'),
    error: member('error'),
    lastEventId: member('lastEventId'),
    open: () => live.open(),
    close: () => live.close(),
    reconnect: () => live.reconnect(),
  }
}

/**
 * Options of {@link useEventSource}: VueUse's, and those of our `EventSource`.
 *
 * @example
 * ```ts
 * import { useEventSource } from 'tidings/vue'
 *
 * useEventSource('/api/prices', [], { autoReconnect: { retries: 5, delay: 2000 } })
 * ```
 */
export interface UseEventSourceOptions<Data = unknown> extends EventSourceInit {
  /** Opens at once. Default: `true`. */
  immediate?: boolean
  /** Opens anew when the URL changes. Default: `true`. */
  autoConnect?: boolean
  /**
   * Connects again after an error that closes the source, such as a status of 503; what does not
   * close it is retried anyway. Not after a 204, by which a server says: do not come back. Default:
   * `false`.
   */
  autoReconnect?:
    | boolean
    | {
        /**
         * How many times in a row, or whether to go on. An open connection resets the count. Default:
         * -1, without end.
         */
        retries?: number | (() => boolean)
        /** Milliseconds to wait. Default: 1,000. */
        delay?: number
        /** Called when there is no further try. */
        onFailed?: () => void
      }
  /** Makes `data` of the text of an event. Default: the text. */
  serializer?: {
    /** Called with the text of each event. */
    read: (text?: string) => Data
  }
}

/**
 * What {@link useEventSource} returns, as in VueUse.
 *
 * @example
 * ```ts
 * import type { UseEventSourceReturn } from 'tidings/vue'
 *
 * const isLive = ({ status }: UseEventSourceReturn<string[]>) => status.value === 'OPEN'
 * ```
 */
export interface UseEventSourceReturn<Events extends string[], Data = unknown> {
  /** The source, or `null` while there is none. */
  readonly eventSource: ShallowRef<EventSource | null>
  /** The type of the last event where `events` lists it; `null` for another message. */
  readonly event: ShallowRef<Events[number] | null>
  /** The data of the last event; `null` before the first. */
  readonly data: ShallowRef<Data | null>
  /** `'CONNECTING'` also while a reconnect is waited for. */
  readonly status: ShallowRef<'CONNECTING' | 'OPEN' | 'CLOSED'>
  /** The last `error` event, which says what happened; `null` once a connection is open. */
  readonly error: ShallowRef<SseErrorEvent | null>
  /** The ID of the last event; `null` before the first. */
  readonly lastEventId: ShallowRef<string | null>
  /**
   * Opens a new source, and closes the one there is.
   *
   * @throws {DOMException | TypeError | RangeError} as {@link useEventSource}
   */
  readonly open: () => void
  /** Closes the source, and gives up a wait for the next. */
  readonly close: () => void
}

/**
 * VueUse's `useEventSource` over our {@link EventSource}: with headers and POST, `'CONNECTING'` while
 * it reconnects, and errors that say what happened. It is closed with its scope, and opens nothing
 * while rendering on a server.
 *
 * @param url - nothing is opened while it is `undefined`
 * @param events - types to listen for beside `message`
 * @throws {DOMException} `SyntaxError` for a URL that cannot be parsed
 * @throws {TypeError | RangeError} for options that can never work
 *
 * @example
 * ```ts
 * import { ref } from 'vue'
 * import { useEventSource } from 'tidings/vue'
 *
 * const token = ref('')
 * const { status, data, error } = useEventSource('/api/prices', ['price'], {
 *   headers: () => ({ Authorization: `Bearer ${token.value}` }),
 *   serializer: { read: (text) => JSON.parse(text ?? 'null') },
 * })
 * ```
 */
// biome-ignore lint/suspicious/noExplicitAny: VueUse's own default
export function useEventSource<Events extends string[], Data = any>(
  url: MaybeRefOrGetter<string | URL | undefined>,
  events?: Events,
  options: UseEventSourceOptions<Data> = {},
): UseEventSourceReturn<Events, Data> {
  const {
    immediate = true,
    autoConnect = true,
    autoReconnect,
    serializer = { read: (text) => text as Data },
    ...init
  } = options
  const eventSource = shallowRef<EventSource | null>(null)
  const event = shallowRef<Events[number] | null>(null)
  const data = shallowRef<Data | null>(null)
  const opening = immediate && toValue(url) !== undefined && !init.signal?.aborted
  const status = shallowRef<'CONNECTING' | 'OPEN' | 'CLOSED'>(opening ? 'CONNECTING' : 'CLOSED')
  const error = shallowRef<SseErrorEvent | null>(null)
  const lastEventId = shallowRef<string | null>(null)
  const onServer =
    !globalThis.document || (hasInjectionContext() && inject(ssrContextKey, null) !== null)

  const close = () => {
    eventSource.value?.close()
    eventSource.value = null
    status.value = 'CLOSED'
  }

  const open = () => {
    const target = toValue(url)
    if (onServer) return
    close()
    if (target === undefined || init.signal?.aborted) return
    let wait: ReturnType<typeof setTimeout> | undefined
    // Who calls these by the ref takes over from a wait, and finds the status right.
    class Source extends EventSource {
      override reconnect(): void {
        clearTimeout(wait)
        status.value = 'CONNECTING'
        super.reconnect()
      }
      override close(): void {
        clearTimeout(wait)
        status.value = 'CLOSED'
        super.close()
      }
    }
    const source = new Source(target, init)
    let failures = 0
    eventSource.value = source
    status.value = 'CONNECTING'
    source.onopen = () => {
      failures = 0
      status.value = 'OPEN'
      error.value = null
    }
    source.onerror = (failure) => {
      error.value = failure
      if (source.readyState !== EventSource.CLOSED) {
        status.value = 'CONNECTING'
      } else if (autoReconnect && failure.status !== 204) {
        const { retries = -1, delay = 1000, onFailed } = autoReconnect === true ? {} : autoReconnect
        failures++
        if (typeof retries === 'function' ? retries() : retries < 0 || failures <= retries) {
          status.value = 'CONNECTING'
          wait = setTimeout(() => source.reconnect(), delay)
        } else {
          status.value = 'CLOSED'
          onFailed?.()
        }
      } else status.value = 'CLOSED'
    }
    for (const type of new Set(['message', ...(events ?? [])])) {
      source.addEventListener(type, (received: MessageEvent) => {
        event.value = events?.includes(type) ? type : null
        lastEventId.value = received.lastEventId
        // Last, so that who watches it finds the rest of the event.
        data.value = serializer.read(received.data) ?? null
      })
    }
  }

  // A source that its own signal closes says nothing.
  init.signal?.addEventListener('abort', close)
  if (immediate) open()
  if (autoConnect) watch(() => toValue(url), open)
  if (getCurrentScope()) {
    onScopeDispose(() => {
      init.signal?.removeEventListener('abort', close)
      close()
    })
  }
  return { eventSource, event, data, status, error, lastEventId, open, close }
}

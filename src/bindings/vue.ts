import {
  type ComputedRef,
  computed,
  customRef,
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
import { EventSource, type EventSourceInit, type SseErrorEvent } from '../faces/event-source'
import type { AnyEvent, ServerSentEvent } from '../parser/event'
import type { FetchUrl } from '../platform'
import type { Decode, Decoder, EventFor } from '../session/decode'
import type { StreamOptions } from '../session/plan'
import type { RetryPolicy } from '../session/retry'
import {
  type EventsActions,
  type EventsState,
  LiveEvents,
  type LiveInput,
  type LiveOptions,
  type LiveRequest,
  type Reduction,
  requestKey,
  type UseEventsOptions,
} from './live-events'

export type { AnyEvent } from '../parser/event'
export type {
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
 * What {@link useEvents} returns: the state of the stream as read-only refs, and four functions.
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
 * @param input - a URL, or a getter or ref of one; `null`, `undefined` and `false` are off: status
 * `'idle'`, and no events
 * @param options - a value, a getter, a ref or a reactive object
 * @throws {TypeError | RangeError} to Vue's error handler, for options that can never work
 *
 * @example
 * ```ts
 * import { parseJson } from 'tidings'
 * import { useEvents } from 'tidings/vue'
 * import { ref } from 'vue'
 *
 * const market = ref('gold')
 * const token = ref('')
 * const { events, status } = useEvents(() => `/api/prices/${market.value}`, {
 *   headers: () => ({ Authorization: `Bearer ${token.value}` }),
 *   decode: parseJson,
 * })
 * ```
 */
export function useEvents<T, S = EventFor<T>[]>(
  input: UseEventsInput,
  options: MaybeRefOrGetter<
    StreamOptions<EventFor<NoInfer<T>>> &
      LiveOptions<EventFor<NoInfer<T>>> &
      Reduction<EventFor<NoInfer<T>>, S> & { decode: Decode<T> | Decoder<T> }
  >,
): UseEventsReturn<EventFor<T>, S>
export function useEvents<T extends string = string, S = EventFor<T>[]>(
  input: UseEventsInput,
  options?: MaybeRefOrGetter<UseEventsOptions<T, S>>,
): UseEventsReturn<EventFor<T>, S>
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
  const show = () => {
    state.value = live.read()
  }
  const enter = () => {
    if (scope && !scope.active) return
    entered = true
    live.subscribe(show)
  }
  const leave = () => {
    live.leave()
    show()
  }

  watch(key, () => {
    const { wanted } = live
    live.leave()
    live = create(wanted)
    show()
    if (entered) enter()
  })
  // Mounted, since a component that never is would not be unmounted either, and since what is
  // rendered on a server, idle, is then what the page finds.
  if (mounting) onMounted(enter)
  else enter()
  if (scope) onScopeDispose(leave)

  const names = Object.keys(state.value) as (keyof EventsState<AnyEvent, unknown>)[]
  return {
    ...Object.fromEntries(names.map((name) => [name, computed(() => state.value[name])])),
    open: () => live.open(),
    close: () => live.close(),
    reconnect: () => live.reconnect(),
    fail: (reason: unknown) => live.fail(reason),
  } as UseEventsReturn<AnyEvent, unknown>
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
  immediate?: boolean | undefined
  /** Opens anew when the URL changes. Default: `true`. */
  autoConnect?: boolean | undefined
  /**
   * A retry policy, in place of `retry`: connects again after an answer that would close the source,
   * such as a status of 503; what does not close it is retried anyway, with exponential backoff. Not
   * after its end: a 204, or `until`. Default: `false`.
   */
  autoReconnect?:
    | boolean
    | {
        /**
         * How many times in a row, or whether to go on. An open connection resets the count. Default:
         * -1, without end.
         */
        retries?: number | (() => boolean) | undefined
        /** Milliseconds to wait; longer where the server asks for it. Default: 1,000. */
        delay?: number | undefined
        /** Called when there is no further try. */
        onFailed?: (() => void) | undefined
      }
    | undefined
  /** Makes `data` of the data of an event. Default: the data as it is. */
  serializer?:
    | {
        /** Called with the text of each event, or with what `decode` made of it. */
        read: (text?: string) => Data
      }
    | undefined
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
  /** The last failure, which says what happened; `null` once a connection is open. */
  readonly error: ShallowRef<SseErrorEvent | null>
  /** The ID of the last event; `null` before the first. */
  readonly lastEventId: ShallowRef<string | null>
  /**
   * Opens a new source, and closes the one there is. No effect once the scope is disposed.
   *
   * @throws {DOMException | TypeError | RangeError} as {@link useEventSource}
   */
  readonly open: () => void
  /** Closes the source, and gives up a wait for the next attempt. */
  readonly close: () => void
}

/**
 * VueUse's `useEventSource` over our {@link EventSource}: with headers and POST, `'CONNECTING'` while
 * it reconnects, and errors that say what happened. It is closed with its scope, and opens nothing
 * while rendering on a server.
 *
 * A server's event named `error` is an event like any other: heard where `events` lists it.
 *
 * @param url - nothing is opened while it is `undefined`
 * @param events - types to listen for beside `message`
 * @throws {DOMException} `SyntaxError` for a URL that cannot be parsed
 * @throws {TypeError | RangeError} for options that can never work
 *
 * @example
 * ```ts
 * import { useEventSource } from 'tidings/vue'
 * import { ref } from 'vue'
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
  url: MaybeRefOrGetter<string | FetchUrl | undefined>,
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
  const opening = immediate && toValue(url) !== undefined && !init.signal?.aborted
  const { refs, set } = refsOf<SourceState<Events, Data>>({
    eventSource: null,
    event: null,
    data: null,
    status: opening ? 'CONNECTING' : 'CLOSED',
    error: null,
    lastEventId: null,
  })
  const scope = getCurrentScope()
  const onServer =
    !globalThis.document || (hasInjectionContext() && inject(ssrContextKey, null) !== null)
  const { retries = -1, delay = 1000, onFailed } = Object(autoReconnect) as ReconnectOptions
  let refusals = 0
  /** The source whose state this is. Whoever hears of a change may have made it another. */
  let current: EventSource | null = null

  const follow = (change: Partial<SourceState<Events, Data>> = {}) => {
    const state = current?.readyState ?? 2
    // As long as there is an end to hear of: nothing is left on a caller's signal.
    const hear = state === 2 ? 'removeEventListener' : 'addEventListener'
    init.signal?.[hear]('abort', stopped)
    set({ ...change, status: STATUSES[state] })
  }

  const stopped = () => follow()

  const turnTo = (source: EventSource | null) => {
    const before = current
    current = source
    refusals = 0
    follow({ eventSource: source })
    before?.close()
  }

  /** No event tells of these. */
  class Followed extends EventSource {
    override close(): void {
      super.close()
      follow()
    }
    override reconnect(): void {
      super.reconnect()
      follow()
    }
  }

  /** VueUse tries again after a refusal, what native sources do not; they do after all else. */
  const retry: RetryPolicy = ({ error, delay: usual }) => {
    if (!error || (error.retriable && error.status === undefined)) return usual
    const { retryAfter = 0 } = error
    // The server asks for more time than anybody waits.
    if (retryAfter > 0 && usual === false) return false
    refusals++
    const again = typeof retries === 'function' ? retries() : retries < 0 || refusals <= retries
    return again && Math.max(delay, retryAfter)
  }

  const create = (target: string | FetchUrl): EventSource => {
    const source = new Followed(target, {
      ...init,
      ...(autoReconnect && { retry }),
      // Nor of an attempt after the page, or a gate, has let the connection go.
      gate(attempt) {
        follow()
        return init.gate?.(attempt)
      },
    })
    const hear = (received: Event | MessageEvent) => {
      if (source !== current) return
      const { type } = received
      const listed = events?.includes(type)
      if ('data' in received) {
        if (!listed && type !== 'message') return
        set({
          event: listed ? type : null,
          lastEventId: received.lastEventId,
          data: serializer.read(received.data) ?? null,
        })
      } else {
        const failure = type === 'error' ? (received as SseErrorEvent) : null
        if (!failure) refusals = 0
        follow({ error: failure })
        const failed = failure?.error && failure.status !== 204 && source.readyState === 2
        if (failed && autoReconnect && source === current) onFailed?.()
      }
    }
    for (const type of new Set(['open', 'message', 'error', ...(events ?? [])])) {
      source.addEventListener(type, hear)
    }
    return source
  }

  const open = () => {
    if (onServer || (scope && !scope.active)) return
    const target = toValue(url)
    let source: EventSource | null = null
    try {
      if (target !== undefined && !init.signal?.aborted) source = create(target)
    } finally {
      turnTo(source)
    }
  }
  const close = () => turnTo(null)

  if (immediate) open()
  if (autoConnect) watch(() => toValue(url), open)
  if (scope) onScopeDispose(close)
  return { ...refs, open, close }
}

type ReconnectOptions = Exclude<UseEventSourceOptions['autoReconnect'], boolean | undefined>

/** What the refs of {@link useEventSource} hold. */
type SourceState<Events extends string[], Data> = {
  [Name in Exclude<
    keyof UseEventSourceReturn<Events, Data>,
    'open' | 'close'
  >]: UseEventSourceReturn<Events, Data>[Name]['value']
}

/** Refs that are set together: who watches one finds the others as they are by then. */
function refsOf<S extends object>(state: S) {
  const tell = new Map<string, () => void>()
  const set = (change: Partial<S>) => {
    const before = { ...state }
    Object.assign(state, change)
    for (const name of Object.keys(change) as (keyof S & string)[]) {
      if (!Object.is(before[name], change[name])) tell.get(name)?.()
    }
  }
  const names = Object.keys(state) as (keyof S & string)[]
  const refs = names.map((name) => [
    name,
    customRef((track, trigger) => {
      tell.set(name, trigger)
      return {
        get() {
          track()
          return state[name]
        },
        set: (value: S[typeof name]) => set({ [name]: value } as Partial<S>),
      }
    }),
  ])
  return { refs: Object.fromEntries(refs) as { [Name in keyof S]: ShallowRef<S[Name]> }, set }
}

/** By `readyState`. */
const STATUSES = ['CONNECTING', 'OPEN', 'CLOSED'] as const

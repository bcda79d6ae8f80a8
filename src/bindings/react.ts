'use client'

import { useInsertionEffect, useState, useSyncExternalStore } from 'react'
import type { AnyEvent, ServerSentEvent } from '../parser/event'
import type { Decode, Decoder, EventFor } from '../session/decode'
import type { StreamOptions } from '../session/plan'
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
 * What {@link useEvents} returns: the state of the stream, and four functions that never change.
 *
 * @example
 * ```ts
 * import type { UseEventsResult } from 'tidings/react'
 *
 * const canRetry = ({ status }: UseEventsResult) => status === 'waiting' || status === 'closed'
 * ```
 */
export interface UseEventsResult<E extends AnyEvent = ServerSentEvent, S = E[]>
  extends EventsState<E, S>,
    EventsActions {}

/**
 * An event stream as state of a component: opened when that is mounted, closed when it is unmounted.
 * Nothing is requested while rendering on a server.
 *
 * Another URL, method or body (`json`, or a `body` that is text) is another stream: the state begins
 * anew, and it is opened where `immediate` says so or the one before was running. They are compared
 * by value. Functions, headers and `limit` may be new with each render: those of the last render are
 * used, and nothing is reopened. All other options are read when the stream is opened.
 *
 * Events that come together make one render.
 *
 * @param input - a URL, or a function of the attempt that makes one; `null`, `undefined` and `false`
 * are off: status `'idle'`, and no events
 * @throws {TypeError | RangeError} to the error boundary, for options that can never work
 *
 * @example
 * ```tsx
 * import { parseJson } from 'tidings'
 * import { useEvents } from 'tidings/react'
 *
 * function Prices({ market }: { market: string }) {
 *   const { events, status, error } = useEvents(`/api/prices/${market}`, { decode: parseJson })
 *   if (status === 'closed' && error) return <p>{error.message}</p>
 *   return events.map(({ data, lastEventId }) => <p key={lastEventId}>{data.price}</p>)
 * }
 * ```
 */
export function useEvents<T, S = EventFor<T>[]>(
  input: LiveInput,
  options: StreamOptions<EventFor<NoInfer<T>>> &
    LiveOptions<EventFor<NoInfer<T>>> &
    Reduction<EventFor<NoInfer<T>>, S> & { decode: Decode<T> | Decoder<T> },
): UseEventsResult<EventFor<T>, S>
export function useEvents<T extends string = string, S = EventFor<T>[]>(
  input: LiveInput,
  options?: UseEventsOptions<T, S>,
): UseEventsResult<EventFor<T>, S>
export function useEvents(
  input: LiveInput,
  options: unknown = {},
): UseEventsResult<AnyEvent, unknown> {
  const latest: LiveRequest = { input, options: options as LiveRequest['options'] }
  const key = requestKey(latest)
  const create = (running: boolean) =>
    new LiveEvents(key, latest, running || latest.options.immediate !== false)
  const [kept, keep] = useState(() => create(false))
  let live = kept
  if (live.key !== key) {
    // In place of an effect, so that no render shows one stream's events as another's.
    live = create(live.wanted)
    keep(live)
  }
  const [{ actions, turnTo }] = useState(() => lastingActions(live))
  useInsertionEffect(() => {
    live.latest = latest
    turnTo(live)
  })
  const state = useSyncExternalStore(live.subscribe, live.read, live.read)
  return { ...state, ...actions }
}

/** One set of functions for whatever stream there is. */
function lastingActions(live: EventsActions) {
  const actions: EventsActions = {
    open: () => live.open(),
    close: () => live.close(),
    reconnect: () => live.reconnect(),
    fail: (reason) => live.fail(reason),
  }
  const turnTo = (next: EventsActions) => {
    live = next
  }
  return { actions, turnTo }
}

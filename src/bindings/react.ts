'use client'

import { useInsertionEffect, useState, useSyncExternalStore } from 'react'
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
 * What {@link useEvents} returns: the state of the stream, and three functions that never change.
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
 * @param input - a URL, a `Request`, or a function of the attempt that makes one; `null`, `undefined`
 * and `false` are off: status `'idle'`, and no events
 * @throws {TypeError | RangeError} to the error boundary, for options that can never work
 *
 * @example
 * ```tsx
 * import { useEvents } from 'tidings/react'
 *
 * function Prices({ market }: { market: string }) {
 *   const { events, status, error } = useEvents(`/api/prices/${market}`, { decode: JSON.parse })
 *   if (status === 'closed' && error) return <p>{error.message}</p>
 *   return events.map(({ data, lastEventId }) => <p key={lastEventId}>{data.price}</p>)
 * }
 * ```
 */
export function useEvents<const S extends EventSchema, R = SchemaEvent<S>[]>(
  input: LiveInput,
  options: UseEventsOptions<SchemaEvent<S>, R> & { schema: S },
): UseEventsResult<SchemaEvent<S>, R>
export function useEvents<T = string, R = ServerSentEvent<string, T>[]>(
  input: LiveInput,
  options?: UseEventsOptions<ServerSentEvent<string, T>, R, T>,
): UseEventsResult<ServerSentEvent<string, T>, R>
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
  }
  const turnTo = (next: EventsActions) => {
    live = next
  }
  return { actions, turnTo }
}

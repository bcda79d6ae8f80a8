import { afterEach, beforeEach, expect, vi } from 'vitest'
import type { SseError } from '../../src/errors'
import { type EventStream, events } from '../../src/faces/events'
import type { Decode, Decoder } from '../../src/session/decode'
import type { StreamOptions } from '../../src/session/plan'
import { type Answer, answering, follow, type Sent } from './fetch'

export const FEED = 'https://example.com/feed'

/** Fake timers and no jitter, for every test of the file; whatever a test did, no timer outlives it. */
export function ownTheClock(): void {
  beforeEach(() => {
    vi.useFakeTimers()
    vi.spyOn(Math, 'random').mockReturnValue(0)
  })
  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0)
    vi.useRealTimers()
    vi.restoreAllMocks()
  })
}

export const status = (code: number, headers?: HeadersInit): Response =>
  new Response(code === 204 ? null : '', { status: code, headers })
export const noContent = (): Response => status(204)
export const reset = (): TypeError => new TypeError('fetch failed')
/** A connection that was never made, as Node says it. */
export const refusedBy = (code: string): TypeError =>
  new TypeError('fetch failed', { cause: Object.assign(new Error(code), { code }) })
/** The response as if it came from this URL: one that a test makes has none. */
export const from = (url: string, response: Response): Response =>
  Object.defineProperty(response, 'url', { value: url })

/** All that is due now has happened. */
export const settled = () => vi.advanceTimersByTimeAsync(0)
export const whyOf = (error: SseError | undefined): string | number =>
  (error?.code === 'status' ? error.status : error?.code) ?? 'end'
export const idOf = ({ headers }: Sent): string | null => headers.get('last-event-id')

/** What a promise rejects with. */
export const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    (value) => {
      throw new Error(`Expected a rejection, got ${JSON.stringify(value)}`)
    },
    (reason) => reason,
  )

// biome-ignore lint/suspicious/noExplicitAny: whatever data a test decodes
export type AnyOptions = StreamOptions<any> & { decode?: Decode<any> | Decoder<any> | undefined }

export interface Prepared {
  readonly source: EventStream
  readonly requests: Sent[]
  /** `'fetch'` or `'fetch:ID'` per attempt, `'reconnect:why:delay'`, events, and the end. */
  readonly story: string[]
}

export interface Play extends Prepared {
  /** The iteration that was begun at once. */
  readonly followed: Promise<void>
}

/** A stream whose attempts get these answers, and silence after them. */
export function prepare(answers: Answer[], options: AnyOptions = {}): Prepared {
  const story: string[] = []
  const { fetch, requests } = answering(...answers)
  const given: AnyOptions = {
    onReconnect: ({ error, delay }) => story.push(`reconnect:${whyOf(error)}:${delay}`),
    ...options,
    fetch(url, init) {
      const id = new Headers(init.headers).get('last-event-id')
      story.push(id === null ? 'fetch' : `fetch:${id}`)
      return fetch(url, init as RequestInit)
    },
  }
  const source = events(FEED, given as object) as EventStream
  return { source, requests, story }
}

/** Runs the stream until it has settled, or for so many milliseconds. */
export async function play(answers: Answer[], options?: AnyOptions, time = 0): Promise<Play> {
  const prepared = prepare(answers, options)
  const followed = follow(prepared.source, prepared.story)
  await vi.advanceTimersByTimeAsync(time)
  return { ...prepared, followed }
}

/** Runs the stream to its end, which comes within an hour, and tells its story. */
export async function storyOf(answers: Answer[], options?: AnyOptions) {
  const run = await play(answers, options, 3_600_000)
  await run.followed
  return run.story
}

export async function stop({ source, followed }: Play): Promise<void> {
  source.close()
  await followed
}

/** The name of a request's method and where it went, with its body: `'POST /chat {"q":1}'`. */
export const lineOf = ({ method, url, body }: Sent): string =>
  [method, url.replace('https://example.com', ''), body].filter(Boolean).join(' ')

import { getEventListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import * as peer from '@microsoft/fetch-event-source'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { type FetchEventSourceOptions, fetchEventSource } from '../../src/faces/fetch-event-source'
import { body } from './response'

/** The original's function or ours, called as neither's types would stop a caller from calling it. */
export type Subject = (input: RequestInfo | URL, init?: FetchEventSourceOptions) => Promise<void>

const original = peer.fetchEventSource as Subject

/** What happened, in order. */
export type Story = string[]
/** Puts a subject through something and writes down what it sees. */
export type Play = (subject: Subject, story: Story) => Promise<unknown>

/** Both subjects tell the same story. */
export function identical(title: string, play: Play, told: Story): void {
  describe(title, () => {
    test('the original', async () => expect(await tell(original, play)).toEqual(told))
    test('ours', async () => expect(await tell(fetchEventSource, play)).toEqual(told))
  })
}

/** Ours tells the story; the original, which has the bug, tells another: the row is able to fail. */
export function fixed(title: string, play: Play, told: Story, toldByOriginal: Story): void {
  describe(title, () => {
    test('ours', async () => expect(await tell(fetchEventSource, play)).toEqual(told))
    test('the original does otherwise', async () => {
      const story = await tell(original, play)
      expect(story).not.toEqual(told)
      expect(story).toEqual(toldByOriginal)
    })
  })
}

async function tell(subject: Subject, play: Play): Promise<Story> {
  const story: Story = []
  // The original takes a page for granted; ours gets none but what a row itself sets up.
  if (subject === original && !('window' in globalThis)) pretendPage()
  await play(subject, story)
  return [...story]
}

/** A page, as far as the original looks: `window`'s functions, and a `document` to hide. */
export class Page extends EventTarget {
  hidden: boolean

  constructor(hidden = false) {
    super()
    this.hidden = hidden
  }

  get watchers(): number {
    return getEventListeners(this, 'visibilitychange').length
  }

  hide(): void {
    this.#turn(true)
  }

  show(): void {
    this.#turn(false)
  }

  #turn(hidden: boolean): void {
    this.hidden = hidden
    this.dispatchEvent(new Event('visibilitychange'))
  }
}

/** Sets a global until the end of the test. */
export function stub(name: string, value: unknown): void {
  vi.stubGlobal(name, value)
  onTestFinished(() => {
    vi.unstubAllGlobals()
  })
}

/** Sets up a page until the end of the test. */
export function pretendPage(hidden?: boolean): Page {
  const page = new Page(hidden)
  stub('document', page)
  stub('window', {
    fetch: (...args: Parameters<typeof fetch>) => globalThis.fetch(...args),
    setTimeout: (...args: Parameters<typeof setTimeout>) => setTimeout(...args),
    clearTimeout: (id: number) => clearTimeout(id),
  })
  return page
}

/** One answer of a faked `fetch`; an `Error` is what it rejects with. */
export type Answer =
  | Error
  | {
      chunks?: readonly (string | Uint8Array)[]
      /** What follows the chunks. Default: the end. */
      after?: 'end' | 'stall' | Error
      status?: number
      type?: string | null
    }

/** A stream that ends after these chunks. */
export const chunks = (...chunks: (string | Uint8Array)[]): Answer => ({ chunks })
/** A stream that stays open after these chunks. */
export const open = (...chunks: string[]): Answer => ({ chunks, after: 'stall' })

const connections = new WeakMap<Story, AbortSignal[]>()

/** How many of a story's requests have not been aborted. */
export function connected(story: Story): string {
  const alive = connections.get(story)?.filter((signal) => !signal.aborted).length ?? 0
  return `connected:${alive}`
}

/**
 * A `fetch` that gives these answers and then none; each request is written down with its time and
 * its `last-event-id`. As the real one, it refuses bad headers and heeds its signal.
 */
export function answer(story: Story, ...answers: Answer[]): typeof fetch {
  const start = Date.now()
  const signals: AbortSignal[] = []
  connections.set(story, signals)
  let next = 0
  return async (_input, init) => {
    const signal = init?.signal as AbortSignal
    signals.push(signal)
    const id = new Headers(init?.headers).get('last-event-id')
    story.push(`fetch@${Date.now() - start}${id === null ? '' : ` id=${id}`}`)
    const given = answers[next++]
    if (given instanceof Error) throw given
    if (!given) {
      return new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason))
      })
    }
    const { chunks = [], after, status = 200, type = 'text/event-stream' } = given
    return new Response(status === 204 ? null : heeding(signal, body(chunks, after)), {
      status,
      headers: type === null ? {} : { 'content-type': type },
    })
  }
}

/** The body fails with the signal's abort, at once, as a real one's does. */
function heeding(signal: AbortSignal, bytes: ReadableStream<Uint8Array>) {
  const reader = bytes.getReader()
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        signal.addEventListener('abort', () => controller.error(signal.reason))
      },
      async pull(controller) {
        const { done, value } = await reader.read()
        if (signal.aborted) return
        if (done) controller.close()
        else controller.enqueue(value)
      },
    },
    { highWaterMark: 0 },
  )
}

/** Callbacks that write down what they are called with; `onopen` is left out, as it is a check. */
export function callbacks(story: Story) {
  return {
    onmessage({ data }) {
      story.push(`message:${data}`)
    },
    onclose() {
      story.push('close')
    },
    onerror(error) {
      story.push(`error:${error.message}`)
    },
  } satisfies FetchEventSourceOptions
}

/** Writes down how a call settles. */
export function settle(story: Story, call: Promise<void>): Promise<void> {
  return call.then(
    (value) => {
      story.push(`resolved:${value}`)
    },
    (error) => {
      story.push(`rejected:${error?.message ?? error}`)
    },
  )
}

/** Calls the subject on a faked `fetch` and lets this much faked time pass. Default: 3,500 ms. */
export async function play(
  subject: Subject,
  story: Story,
  answers: Answer[],
  init?: () => FetchEventSourceOptions,
  time = 3500,
  input: RequestInfo = 'http://localhost/',
): Promise<void> {
  vi.useFakeTimers()
  const abort = new AbortController()
  onTestFinished(() => {
    abort.abort()
    vi.useRealTimers()
  })
  const fetch = answer(story, ...answers)
  settle(story, subject(input, { signal: abort.signal, fetch, ...callbacks(story), ...init?.() }))
  await vi.advanceTimersByTimeAsync(time)
}

/** What a promise resolves with, or this where it takes longer than any event here could. */
export function within<T>(milliseconds: number, promise: Promise<T>, otherwise: T): Promise<T> {
  const controller = new AbortController()
  return Promise.race([
    promise.finally(() => controller.abort()),
    sleep(milliseconds, otherwise, controller).catch(() => otherwise),
  ])
}

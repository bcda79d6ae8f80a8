import { Lifetime, later, time } from '../abort'
import { expectTime, expectType } from '../development/expect'
import type { SseError } from '../errors'
import type { FetchSignal } from '../platform'
import type { Attempt } from '../transport/request'

/**
 * A token, and when it expires.
 *
 * @example
 * ```ts
 * import type { BearerToken } from 'tidings/auth'
 *
 * async function refresh(): Promise<BearerToken> {
 *   const response = await fetch('/api/refresh', { method: 'POST' })
 *   const { token, expiresIn } = await response.json()
 *   return { token, expiresAt: Date.now() + expiresIn * 1000 }
 * }
 * ```
 */
export interface BearerToken {
  /** What is sent after `Bearer`. */
  readonly token: string
  /** When it expires: a `Date`, or milliseconds since 1970. Default: what `expiresAt` of the options says. */
  readonly expiresAt?: Date | number | undefined
}

/**
 * How {@link bearer} comes by its tokens.
 *
 * @example
 * ```ts
 * import { type BearerOptions, bearer } from 'tidings/auth'
 *
 * const options: BearerOptions = {
 *   token: () => localStorage.getItem('token') ?? undefined,
 *   refresh: freshToken,
 *   leeway: 30_000, // Half a minute early, for clocks that differ.
 * }
 * const headers = bearer(options)
 * ```
 */
export interface BearerOptions {
  /** The token to begin with, or a function that reads where the app keeps it. Default: none. */
  token?: string | (() => string | undefined) | undefined
  /**
   * Gets a new token. One call at a time, however many streams wait for it; `signal` is aborted
   * when none waits any more.
   */
  refresh: (signal: FetchSignal) => Promise<string | BearerToken>
  /** When a token expires, or a function that reads it from the token. Default: unknown. */
  expiresAt?: Date | number | ((token: string) => Date | number | undefined) | undefined
  /** Milliseconds before its expiry at which a token is taken for expired. Default: 5,000. */
  leeway?: number | undefined
  /** Milliseconds in which `refresh` must have settled. Default: 30,000. */
  timeout?: number | undefined
}

/** A refresh that is under way, and how many wait for it. */
interface Refresh {
  readonly life: Lifetime
  readonly done: Promise<void>
  waiting: number
}

/**
 * Makes a `headers` function that sends `Authorization: Bearer …` with a token that is not known to
 * be expired or refused. Share one among all streams: they share its refresh.
 *
 * A refresh that fails for good ends the stream with code `auth` and the refresh's error as its
 * cause; the stream's `retry` says how a failure that may pass is tried again.
 *
 * @returns a function that rejects with what `refresh` rejects with, with an `Error` where it takes
 * longer than `timeout` or gives no token
 * @throws {TypeError | RangeError} at once, for options that can never work (development build)
 *
 * @example
 * ```ts
 * import { events } from 'tidings'
 * import { bearer } from 'tidings/auth'
 *
 * const headers = bearer({ token, refresh: freshToken })
 * const prices = events('/api/prices', { headers })
 * const news = events('/api/news', { headers }) // A token that expires is refreshed once for both.
 * ```
 */
export function bearer(
  options: BearerOptions,
): (attempt: Pick<Attempt, 'error' | 'signal'>) => Promise<{ Authorization: string }> {
  const { token, refresh, expiresAt } = options
  const leeway = time(options.leeway, 5000)
  const timeout = time(options.timeout, 0) || 30_000
  if (__DEV__) {
    expectType('refresh', refresh ?? null, 'function')
    expectTime('leeway', options.leeway)
    expectTime('timeout', options.timeout, true)
  }

  const expiryOf = typeof expiresAt === 'function' ? expiresAt : () => undefined
  let firstExpiry = typeof expiresAt === 'function' ? undefined : expiresAt
  let expiry: Date | number | undefined
  let current: string | undefined
  let stored: string | undefined
  /** A token that an attempt ended with: only such a one can have been refused. */
  let tried: string | undefined
  let running: Refresh | undefined

  const use = (fresh: BearerToken) => {
    current = fresh.token
    expiry = fresh.expiresAt ?? expiryOf(fresh.token)
  }

  const isUsable = (error: SseError | undefined): boolean => {
    const now = typeof token === 'function' ? token() : token
    if (now !== stored) {
      // The app has logged in or out, or has kept the token that it refreshed.
      stored = now
      if (now === undefined) current = undefined
      else if (now !== current) use({ token: now, expiresAt: firstExpiry })
      firstExpiry = undefined
    }
    // Forgotten, because the refresh may fail and be asked for again by another attempt.
    if (error?.status === 401 && current === tried) current = undefined
    if (current === undefined) return false
    return expiry === undefined || Number(expiry) - leeway > Date.now()
  }

  const load = async (life: Lifetime): Promise<void> => {
    const timer = later(() => {
      life._end(
        new Error(
          __DEV__ ? `Expected refresh to settle within ${timeout} ms, got nothing` : 'timeout',
        ),
      )
    }, timeout)
    try {
      const result = await life._race(refresh(life.signal))
      const fresh = typeof result === 'string' ? { token: result } : result
      if (typeof fresh?.token !== 'string' || !fresh.token) {
        // Its own word that it is no use to try again.
        throw Object.assign(
          new Error(__DEV__ ? 'Expected refresh to give a token, got none' : 'no token'),
          { retriable: false },
        )
      }
      use(fresh)
    } finally {
      clearTimeout(timer)
    }
  }

  const begin = (): Refresh => {
    const life = new Lifetime()
    const started: Refresh = { life, done: load(life), waiting: 0 }
    const over = () => {
      if (running === started) running = undefined
    }
    started.done.then(over, over)
    return started
  }

  return async ({ error, signal }) => {
    if (!isUsable(error)) {
      running ??= begin()
      const shared = running
      shared.waiting++
      try {
        await unlessAborted(signal, shared.done)
      } finally {
        // Nobody waits any more: what still runs is in vain, and no use to who comes next.
        if (--shared.waiting === 0) {
          shared.life._end(signal.reason)
          if (running === shared) running = undefined
        }
      }
    }
    const used = current as string
    signal.addEventListener('abort', () => {
      if (used === current) tried = used
    })
    return { Authorization: `Bearer ${used}` }
  }
}

function unlessAborted(signal: FetchSignal, work: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason)
    const settle = (how: () => void) => () => {
      signal.removeEventListener('abort', stop)
      how()
    }
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop)
    work.then(settle(resolve), (reason) => settle(() => reject(reason))())
  })
}

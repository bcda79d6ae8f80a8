import { abortable } from './abort'
import type { SseError } from './errors'
import type { Attempt } from './request'
import { expectNumber, expectType } from './validate'

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
  readonly expiresAt?: Date | number
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
  token?: string | (() => string | undefined)
  /**
   * Gets a new token. One call at a time, however many streams wait for it; `signal` is aborted
   * when none waits any more.
   */
  refresh: (signal: AbortSignal) => Promise<string | BearerToken>
  /** When a token expires, or a function that reads it from the token. Default: unknown. */
  expiresAt?: Date | number | ((token: string) => Date | number | undefined)
  /** Milliseconds before its expiry at which a token is taken for expired. Default: 5,000. */
  leeway?: number
  /** Milliseconds in which `refresh` must have settled. Default: 30,000. */
  timeout?: number
}

interface Refresh {
  readonly token: Promise<string>
  readonly control: AbortController
  waiting: number
}

/**
 * Makes a `headers` function that sends `Authorization: Bearer …` with a token that is not known to
 * be expired or refused. Share one among all streams: they share its refresh.
 *
 * A refresh that fails ends the stream with code `auth` and the refresh's error as its cause.
 *
 * @returns a function that rejects with what `refresh` rejects with, with an `Error` where it takes
 * longer than `timeout`, and with a `TypeError` where it gives no token
 * @throws {TypeError | RangeError} at once, for options that can never work
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
  const { token, refresh, expiresAt, leeway = 5000, timeout = 30_000 } = options
  expectType('refresh', refresh ?? null, 'function')
  expectNumber('leeway', leeway)
  expectNumber('timeout', timeout)

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
    if (current === undefined || (error?.status === 401 && current === tried)) return false
    return expiry === undefined || Number(expiry) - leeway > Date.now()
  }

  const load = async (control: AbortController): Promise<string> => {
    const timer = setTimeout(() => {
      control.abort(new Error(`Expected refresh to settle within ${timeout} ms, got nothing`))
    }, timeout)
    try {
      const result = await abortable(control.signal, refresh(control.signal))
      const fresh = typeof result === 'string' ? { token: result } : result
      if (typeof fresh?.token !== 'string' || !fresh.token) {
        throw new TypeError('Expected refresh to give a token, got none')
      }
      use(fresh)
      return fresh.token
    } finally {
      clearTimeout(timer)
    }
  }

  return async ({ error, signal }) => {
    if (!isUsable(error)) {
      if (!running) {
        const control = new AbortController()
        const started: Refresh = { control, token: load(control), waiting: 0 }
        const done = () => {
          if (running === started) running = undefined
        }
        running = started
        started.token.then(done, done)
      }
      const { control, token: fresh } = running
      const shared = running
      shared.waiting++
      try {
        await abortable(signal, fresh)
      } finally {
        // Nobody waits any more: what still runs is in vain, and no use to who comes next.
        if (--shared.waiting === 0) {
          control.abort()
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

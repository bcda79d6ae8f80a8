import { later, time } from '../abort'
import { expectTime } from '../development/expect'
import type { Gate } from '../session/gate'

/**
 * A gate for pages: it lets the connection go once the page has been hidden for a while, keeps the
 * place, and connects again when the page is visible. Where there is no page it is always open. A
 * request that must not be repeated stays open.
 *
 * @param options - `after`: milliseconds hidden before the connection is let go. Default: 0
 * @throws {TypeError | RangeError} for an `after` that is no time (development build)
 *
 * @example
 * ```ts
 * import { events, whenVisible } from 'tidings'
 *
 * const feed = events('/api/feed', { gate: whenVisible({ after: 60_000 }) })
 * ```
 */
export function whenVisible({ after = 0 }: { after?: number | undefined } = {}): Gate {
  if (__DEV__) expectTime('after', after)
  const patience = time(after, 0)
  /** Since when the page has been hidden, as far as this gate has seen. */
  let since: number | undefined
  return ({ signal, release }) => {
    const { document } = globalThis
    if (!document) return
    let timer: ReturnType<typeof setTimeout> | undefined
    let arrive: (() => void) | undefined
    const look = () => {
      clearTimeout(timer)
      if (!document.hidden) {
        since = undefined
        return arrive?.()
      }
      since ??= Date.now()
      if (arrive) return
      timer = later(
        () => {
          // A timer may be early by a millisecond, which must not open the gate once more.
          since = 0
          release()
        },
        since + patience - Date.now(),
      )
    }
    document.addEventListener('visibilitychange', look)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      document.removeEventListener('visibilitychange', look)
      arrive?.()
    })
    look()
    if (since === undefined || Date.now() - since < patience) return
    clearTimeout(timer)
    return new Promise<void>((resolve) => {
      arrive = () => {
        arrive = undefined
        resolve()
      }
    })
  }
}

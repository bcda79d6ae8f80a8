import type { FetchSignal } from '../platform'

/**
 * Gives leave for each attempt: the attempt is made when it resolves. `release()` lets the
 * connection go and asks the gate again, where the request may be repeated; `signal` is aborted when
 * the attempt, its connection or the stream is over.
 *
 * @example
 * ```ts
 * import { events, type Gate } from 'tidings'
 *
 * // Only while there is a user.
 * let user: string | undefined
 * const changed = new EventTarget()
 * const loggedIn: Gate = async ({ signal, release }) => {
 *   const look = () => user === undefined && release()
 *   changed.addEventListener('change', look)
 *   signal.addEventListener('abort', () => changed.removeEventListener('change', look))
 *   while (user === undefined) {
 *     await new Promise((resolve) => changed.addEventListener('change', resolve, { once: true }))
 *   }
 * }
 * const feed = events('/api/feed', { gate: loggedIn })
 * ```
 */
export type Gate = (attempt: {
  /** Aborted when the attempt, its connection or the stream is over. */
  readonly signal: FetchSignal
  /** Lets the connection go, and asks the gate again. */
  readonly release: () => void
}) => void | PromiseLike<void>

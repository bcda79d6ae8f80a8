import { type Lifetime, later } from '../abort'
import { SseError } from '../errors'

/** Milliseconds between looks at the clock, at most. */
const LOOK = 10_000

/** What is waited for. */
export interface Pending {
  /** When the read began that is pending, in milliseconds since 1970; `Infinity` while none is. */
  since: number
}

/**
 * Ends `life` with an `idle` error once a read has been pending for so long. One timer that looks at
 * a clock, not one per chunk.
 *
 * @returns stops it
 */
export function watchSilence(
  pending: Pending,
  idleTimeout: number,
  life: Lifetime,
  response: Response,
): () => void {
  let timer: ReturnType<typeof setTimeout>
  const watch = (delay: number) => {
    timer = later(() => {
      const left = pending.since + idleTimeout - Date.now()
      if (left > 0) return watch(Math.min(left, idleTimeout, LOOK))
      life.end(
        new SseError(
          'idle',
          __DEV__ && `Expected a byte or a comment within ${idleTimeout} ms, got silence`,
          { response },
        ),
      )
    }, delay)
  }
  watch(Math.min(idleTimeout, LOOK))
  return () => clearTimeout(timer)
}

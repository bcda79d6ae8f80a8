import { type Lifetime, later, time } from '../abort'
import { SseError } from '../errors'
import type { FetchResponse } from '../platform'

/** Milliseconds between looks at the clock, at most. */
const LOOK = 10_000

/** What is waited for. */
export interface Pending {
  /** When the wait began, in milliseconds since 1970; `Infinity` while nothing is waited for. */
  _since: number
}

/**
 * Ends `life` with an error once something has been pending for so long. One timer that looks at a
 * clock, not one per chunk.
 *
 * @param limit - milliseconds; what is no time, or 0, is none
 * @param response - whose silence it is; none has come yet where the code is `timeout`
 * @returns stops it
 */
export function watchSilence(
  pending: Pending,
  limit: unknown,
  life: Lifetime,
  response?: FetchResponse,
): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined
  const most = time(limit, 0)
  const watch = () => {
    const left = Math.min(pending._since + most - Date.now(), most, LOOK)
    if (left > 0) timer = later(watch, left)
    else {
      life._end(
        new SseError(
          response ? 'idle' : 'timeout',
          __DEV__ &&
            (response
              ? `Expected a byte or a comment within ${most} ms, got silence`
              : `Expected an open stream within ${most} ms, got none`),
          { response },
        ),
      )
    }
  }
  if (most) watch()
  return () => clearTimeout(timer)
}

import { expectCount } from '../development/expect'
import type { Skip, StreamState } from '../session/plan'

/**
 * A `skip` that passes over what a server sends again around the point of a resume: events whose own
 * ID is among the last `count` ones, and came by an earlier connection. Events of one connection
 * never rule each other out, since some servers give several events one ID. One `dedupe` may serve
 * many streams.
 *
 * @param count - how many IDs are kept for each stream
 *
 * @example
 * ```ts
 * import { dedupe, events } from 'tidings'
 *
 * for await (const event of events('/api/feed', { skip: dedupe(100) })) show(event.data)
 * ```
 */
export function dedupe(count: number): Skip {
  if (__DEV__) expectCount('the count of dedupe()', count ?? null, true)
  const known = new WeakMap<StreamState, Map<string, unknown>>()
  return (_event, id, stream) => {
    if (!id) return false
    let ids = known.get(stream)
    if (!ids) {
      ids = new Map()
      known.set(stream, ids)
    }
    const { response } = stream
    if (ids.has(id) && ids.get(id) !== response) return true
    ids.delete(id)
    ids.set(id, response)
    if (ids.size > count) ids.delete(ids.keys().next().value as string)
    return false
  }
}

import { expectCount } from '../development/expect'
import type { Skip, StreamState } from '../session/plan'

/** What is known of a stream. */
interface Known {
  /** The IDs that it has delivered last, the newest at the end. */
  readonly ids: Set<string>
  /** Those of them that came by earlier connections. */
  before: Set<string>
  /** How many have been delivered since. */
  fresh: number
  response: unknown
  /** The one that was let pass last: it counts once it has been delivered. */
  passed: string
}

/**
 * A `skip` that passes over what a server sends again around the point of a resume: events whose own
 * ID is among those of the last `count` ones that the stream has delivered, and came by an earlier
 * connection. Events of one connection never rule each other out, since some servers give several
 * events one ID. One `dedupe` may serve many streams.
 *
 * @param count - how many IDs are kept for each stream
 * @throws {TypeError | RangeError} for a count that is not a whole number above 0 (development build)
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
  const streams = new WeakMap<StreamState, Known>()
  return (_event, id, stream) => {
    if (!id) return false
    let known = streams.get(stream)
    if (!known) {
      known = { ids: new Set(), before: new Set(), fresh: 0, response: undefined, passed: '' }
      streams.set(stream, known)
    }
    const { ids, passed } = known
    // A stream that was stopped while it decoded an event has not delivered it.
    if (passed && passed === stream.lastEventId) {
      ids.delete(passed)
      ids.add(passed)
      if (ids.size > count) ids.delete(ids.keys().next().value as string)
      // What comes again comes first.
      if (++known.fresh >= count) known.before.clear()
    }
    known.passed = ''
    if (known.response !== stream.response) {
      known.response = stream.response
      known.before = new Set(ids)
      known.fresh = 0
    }
    if (known.before.has(id)) return true
    known.passed = id
    return false
  }
}

import type { FetchRequest } from '../platform'
import type { CommonOptions } from '../session/plan'
import type { Attempt } from '../transport/request'

/** What of a `Request` goes on, beside URL, method, headers and body. */
const KEPT = [
  'mode',
  'credentials',
  'cache',
  'redirect',
  'referrer',
  'referrerPolicy',
  'integrity',
  'keepalive',
] as const

/**
 * The arguments of `events` that make the same request as a `Request`. Its body is read once, at the
 * first attempt, and sent with each.
 *
 * @throws {TypeError} for a `Request` whose body has been used
 *
 * @example
 * ```ts
 * import { events, fromRequest } from 'tidings'
 *
 * const request = new Request('/api/chat', { method: 'POST', body: question })
 * const [input, options] = fromRequest(request)
 * for await (const event of events(input, { ...options, until: '[DONE]' })) show(event.data)
 * ```
 */
export function fromRequest(request: FetchRequest): [input: string, options: CommonOptions] {
  const given = request as Request
  refuseUsed(given)
  const options: Record<string, unknown> = {
    method: given.method,
    headers: given.headers,
    signal: given.signal,
  }
  // What its caller did not set is not passed on as if asked for: some worker runtimes do not know it.
  const plain = new Request('http://localhost')
  for (const name of KEPT) if (given[name] !== plain[name]) options[name] = given[name]
  if (!/^(GET|HEAD)$/.test(given.method)) {
    // As bytes: every runtime can send those, over every version of HTTP, as often as it takes.
    let bytes: Promise<ArrayBuffer> | undefined
    options.body = async (_attempt: Attempt) => {
      if (!bytes) refuseUsed(given)
      bytes ??= given.clone().arrayBuffer()
      const body = await bytes
      return body.byteLength > 0 ? body : undefined
    }
  }
  return [given.url, options as CommonOptions]
}

function refuseUsed({ bodyUsed }: Request): void {
  if (!bodyUsed) return
  const message = __DEV__ ? 'Expected an unread Request, got a used one' : 'Used Request'
  // A TypeError alone would be taken for a failure of the network.
  throw Object.assign(new TypeError(message), { retriable: false })
}

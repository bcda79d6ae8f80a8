import fc from 'fast-check'
import { SseError } from '../../src/errors'
import { events } from '../../src/faces/events'
import { backoffTime } from '../../src/session/retry'
import { askedWait } from '../../src/transport/exchange'
import { stream } from '../support/response'
import { same } from './parser'

const text = fc.string({ unit: 'binary', maxLength: 12 })
const type = fc
  .array(
    fc.tuple(
      fc.constantFrom(
        'text/event-stream',
        'Text/Event-Stream',
        'text/event-streams',
        'a/b',
        'junk',
        '',
      ),
      fc.constantFrom('', ';', '; charset=utf-8', ' ;x=y', '\t'),
    ),
    { maxLength: 3 },
  )
  .map((parts) => parts.map((part) => part.join('')).join(', '))
const digits = fc.stringMatching(/^\d{1,400}$/)
const date = fc.date({ noInvalidDate: true }).map((date) => date.toUTCString())
const location = fc.oneof(
  fc.webUrl(),
  fc.string({ unit: 'binary-ascii', maxLength: 20 }),
  fc.constantFrom(
    '/b',
    '//other.example/',
    'http://x',
    'http://x:80/b',
    'https://x/',
    'http://[',
    '',
  ),
)

/** One attempt: what was sent, and how it ended. */
async function attempt(options: Parameters<typeof events>[1], ...responses: Response[]) {
  const sent: { url: string; headers: Headers }[] = []
  let end = 'done'
  let message = ''
  try {
    const stream = events('http://x/', {
      ...options,
      retry: false,
      onEnd: 'complete',
      async fetch(url, init) {
        sent.push({ url, headers: new Headers(init.headers) })
        return responses.shift() ?? (await Promise.reject(new TypeError('No more')))
      },
    })
    for await (const _ of stream);
  } catch (error) {
    end = error instanceof SseError ? error.code : (error as Error).name
    message = (error as Error).message
  }
  return { sent, end, message }
}

const EVENT_STREAM = 'text/event-stream'
const open = () => stream(['data: a\n\n'])

/** The header's value, as bytes, for this ID: empty for one that HTTP cannot carry. */
function idHeader(id: string): string {
  const bytes = Buffer.from(id, 'utf8').toString('latin1')
  const carried = [...bytes].every((char) => char === '\t' || (char >= ' ' && char !== '\x7f'))
  return carried ? bytes.replace(/^[\t ]+|[\t ]+$/g, '') : ''
}

/** Of several types the last counts (Fetch, extract a MIME type), by its essence. */
function isEventStream(header: string | null): boolean {
  const essences = (header ?? '').split(',').map((part) => (part.split(';')[0] ?? '').trim())
  return (
    essences
      .filter((essence) => essence.includes('/'))
      .at(-1)
      ?.toLowerCase() === EVENT_STREAM
  )
}

/** What servers and callers put into headers does no harm, whatever it is. */
export const headers = {
  name: 'headers',
  arbitrary: fc.record({
    id: text,
    value: text,
    type,
    after: fc.oneof(text, digits, date),
    jitter: fc.constantFrom(0, 1),
    failures: fc.integer({ min: 1, max: 2000 }),
    location,
    status: fc.constantFrom(301, 302, 303, 307, 308),
  }),
  async check(value: HeadersCase): Promise<void> {
    const { sent, end } = await attempt({ lastEventId: value.id }, open())
    same('a stream that works', end, 'done')
    same('the ID sent', sent[0]?.headers.get('last-event-id') ?? '', idHeader(value.id))

    const own = await attempt({ headers: { 'x-own': value.value } }, open())
    if (valid(value.value)) {
      same('the header sent', own.sent[0]?.headers.get('x-own'), trim(value.value))
    } else {
      same('a header that HTTP cannot carry', own.end, 'TypeError')
      // Short ones are in any message.
      if (value.value.length > 4 && own.message.includes(value.value)) {
        throw new Error('A message holds the value of a header of the caller')
      }
    }

    if (valid(value.type)) {
      const type = new Response('', { headers: { 'content-type': value.type } })
      const outcome = isEventStream(type.headers.get('content-type')) ? 'done' : 'content-type'
      same('its essence', (await attempt({}, type)).end, outcome)
    }

    const response = new Response('', { status: 503 })
    if (valid(value.after)) response.headers.set('retry-after', value.after)
    const { failures, jitter } = value
    for (const delay of [0, 1000]) {
      const wait = backoffTime({ delay, jitter }, failures, 1000, 0, askedWait(response))
      if (!(wait >= delay)) throw new Error(`Expected a wait of at least ${delay} ms, got ${wait}`)
      const asked = /^\d+$/.test(value.after) ? Number(value.after) * 1000 : 0
      if (wait < asked) throw new Error(`Expected a wait of at least ${asked} ms, got ${wait}`)
    }

    if (valid(value.location)) {
      const redirect = new Response('', {
        status: value.status,
        headers: { location: value.location },
      })
      const told = await attempt({ headers: { 'x-own': 'secret' } }, redirect, open())
      for (const { url } of told.sent) same('the origin', new URL(url).origin, 'http://x')
      if (!['done', 'redirect', 'status'].includes(told.end)) {
        throw new Error(`Expected a redirect followed or refused, got ${told.end}: ${told.message}`)
      }
    }
  },
  report: (value: HeadersCase): string => JSON.stringify(value),
}

interface HeadersCase {
  readonly id: string
  readonly value: string
  readonly type: string
  readonly after: string
  readonly jitter: number
  readonly failures: number
  readonly location: string
  readonly status: number
}

function trim(value: string): string {
  return value.replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, '')
}

function valid(value: string): boolean {
  try {
    new Headers({ x: value })
    return true
  } catch {
    return false
  }
}

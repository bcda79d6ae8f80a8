import type { ServerSentEvent } from '../../src/parser/event'
import type { Outcome } from '../corpus'

/** What a parser tells while it reads, in its order. */
export type Told =
  | readonly ['event', ServerSentEvent, id: string | undefined]
  | readonly ['comment' | 'ignored', string]
  | readonly ['retry', number]
  | readonly ['too-large']

/** How a stream has ended. */
export interface Ending {
  readonly unfinished: boolean
  readonly lineEnded: boolean
}

/**
 * The standard's rules, step by step and with no thought of speed or of chunks; and ours, for what
 * it leaves open: the limit, and what is told beside the events.
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */
export function interpret(
  wire: Uint8Array,
  { max = Number.POSITIVE_INFINITY, deliver = false } = {},
): Outcome & Ending & { readonly told: readonly Told[] } {
  const told: Told[] = []
  const lines = new TextDecoder().decode(wire).split(/\r\n|\n|\r/)
  // What follows the last line end is no line.
  const rest = lines.pop() as string
  let [data, type, lastEventId] = ['', '', '']
  let id: string | undefined
  let reconnectionTime: number | undefined
  let counts = false
  let dropped = false

  const size = () => Math.max(0, data.length - 1) + type.length + (id ?? '').length
  function exceed(): void {
    told.push(['too-large'])
    dropped = true
    data = type = ''
    id = undefined
  }
  function block(): void {
    if (!dropped && id !== undefined) lastEventId = id
    if (data !== '') {
      const event = { type: type || 'message', data: data.slice(0, -1), lastEventId }
      told.push(['event', event, id])
    }
    counts = dropped = false
    data = type = ''
    id = undefined
  }
  function take(field: string, value: string): void {
    if (field === 'data') data += `${value}\n`
    if (field === 'event') type = value
    if (field === 'id' && !value.includes('\0')) id = value
    if (value.length > max || size() > max) exceed()
  }

  for (const line of lines) {
    const [, field, value] = split(line)
    if (line === '') block()
    else if (dropped) continue
    else if (field === '') {
      if (value.length > max) {
        exceed()
        counts = true
      } else told.push(['comment', value])
    } else {
      counts = true
      if (/^(data|event|id)$/.test(field)) take(field, value)
      else if (field === 'retry' && /^[0-9]+$/.test(value)) {
        reconnectionTime = Number(value)
        told.push(['retry', reconnectionTime])
      } else told.push(['ignored', line])
    }
  }

  // What has no end yet is not kept for ever, either: the data with what there is, others by themselves.
  const [colon, field, value] = split(rest)
  if (!dropped && colon && /^(data|event|id|)$/.test(field)) {
    const joined = size() + value.length + (data === '' ? 0 : 1)
    if (value.length > max || (field === 'data' && joined > max)) exceed()
  }
  const unfinished = counts || dropped || (rest !== '' && field !== '')
  if (deliver) {
    if (!dropped && /^(data|event)$/.test(field)) take(field, value)
    id = undefined
    block()
  }
  const events = told.flatMap((part) => (part[0] === 'event' ? [part[1]] : []))
  return { events, lastEventId, reconnectionTime, unfinished, lineEnded: rest === '', told }
}

function split(line: string): [colon: boolean, field: string, value: string] {
  const colon = line.indexOf(':')
  if (colon < 0) return [false, line, '']
  return [true, line.slice(0, colon), line.slice(colon + 1).replace(/^ /, '')]
}

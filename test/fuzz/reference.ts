import type { ServerSentEvent } from '../../src/parser'
import type { Outcome } from '../corpus'

/**
 * The standard's rules, step by step and with no thought of speed or of chunks.
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */
export function interpret(wire: Uint8Array): Outcome {
  const text = new TextDecoder().decode(wire)
  const events: ServerSentEvent[] = []
  let [data, type, id, lastEventId] = ['', '', '', '']
  let reconnectionTime: number | undefined
  // What follows the last line end is no line.
  for (const line of text.split(/\r\n|\n|\r/).slice(0, -1)) {
    if (line === '') {
      lastEventId = id
      if (data !== '')
        events.push({ type: type || 'message', data: data.slice(0, -1), lastEventId })
      data = type = ''
      continue
    }
    const colon = line.indexOf(':')
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (field === 'data') data += `${value}\n`
    if (field === 'event') type = value
    if (field === 'id' && !value.includes('\0')) id = value
    if (field === 'retry' && /^[0-9]+$/.test(value)) reconnectionTime = Number(value)
  }
  return { events, lastEventId, reconnectionTime }
}

import { pipeline } from 'node:stream/promises'
// @ts-expect-error: undici has no types for its parts
import { EventSourceStream } from 'undici/lib/web/eventsource/eventsource-stream.js'
import { body, type Parser } from './parsers'

interface Dispatched {
  type: string
  options: { data: string; lastEventId: string | undefined }
}

/** Fed and read as undici's own EventSource does it. */
export const undici: Parser = {
  name: 'undici',
  async read(chunks, take) {
    const events = new EventSourceStream({
      push(event: Dispatched | null) {
        if (event) take(event.type, event.options.data, event.options.lastEventId ?? '')
        return true
      },
    })
    await pipeline(body(chunks), events)
  },
  streams: true,
}

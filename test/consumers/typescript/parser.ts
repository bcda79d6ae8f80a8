import { EventStreamDecoder, EventStreamParser, readEvents } from 'tidings/parser'

export async function read(chunks: AsyncIterable<Uint8Array>, show: (text: string) => void) {
  for await (const { data } of readEvents(chunks, { onComment: show })) show(data)
  const parser = new EventStreamParser({ maxEventSize: 1024, lastEventId: undefined })
  parser.feed('data: 1\n\n')
  for (let event = parser.next(); event; event = parser.next()) show(event.type + event.data)
}

export const types = new EventStreamDecoder({
  block: ({ event }) => event,
}).readable

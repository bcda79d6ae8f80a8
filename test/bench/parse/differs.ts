import type { ParsedEvent } from './fixtures'
import type { Parser } from './parsers'

/** @returns how what the parser finds in the chunks differs from the expected events, if it does */
export async function differs(
  parser: Parser,
  chunks: readonly Uint8Array[],
  expected: readonly ParsedEvent[],
): Promise<string | undefined> {
  const events: ParsedEvent[] = []
  try {
    await parser.read(chunks, (type, data, id) => events.push({ type, data, id }))
  } catch (error) {
    return `throws ${error}`
  }
  for (const [index, { type, data, id }] of expected.entries()) {
    const event = events[index]
    if (!event) break
    if (event.type === type && event.data === data && event.id === id) continue
    return `event ${index} is ${brief(event)}, not ${brief({ type, data, id })}`
  }
  if (events.length === expected.length) return undefined
  return `${events.length} events, not ${expected.length}`
}

function brief(event: ParsedEvent): string {
  const data = event.data.length > 60 ? `${event.data.slice(0, 60)}…` : event.data
  return JSON.stringify({ ...event, data })
}

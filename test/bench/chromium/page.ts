/** What runs in the page: one call is one round of one side. */
import { fetchEventSource as original } from '@microsoft/fetch-event-source'
import { SSE } from 'sse.js'
import { fixtures, type ParsedEvent } from '../parse/fixtures'
import { eventsourceParser, type Parser, tidings } from '../parse/parsers'
import { faces, heard, type See, type Subject } from '../stream/faces'
import { EVENTS_PER_BLOCK, type EventSize, expected, Sum } from '../stream/fixture'

export const subjects = {
  ...faces,
  native: { read: heard((url) => new globalThis.EventSource(url)) },
  '@microsoft/fetch-event-source': {
    async read(url, _, see) {
      let seen = 0
      await original(url, {
        openWhenHidden: true,
        onmessage({ data, id }) {
          see?.(data, id)
          seen++
        },
      })
      return seen
    },
  },
  'sse.js': { read: heard((url) => new SSE(url) as never) },
} satisfies Record<string, Subject>

export type PageSubject = keyof typeof subjects

const parsers = { tidings, 'eventsource-parser': eventsourceParser } satisfies Record<
  string,
  Parser
>
export type PageParser = keyof typeof parsers

const source = (shape: string, size: EventSize, blocks: number) =>
  `/${shape}?size=${size}&blocks=${blocks}`

const chunks = new Map<string, readonly Uint8Array[]>()
function fixture(key: string) {
  const found = fixtures.find((each) => each.key === key)
  if (!found) throw new RangeError(`Expected a fixture, got ${key}`)
  const made = chunks.get(key) ?? found.chunks()
  chunks.set(key, made)
  return { ...found, made }
}

let total = 0
const take = (type: string, data: string, id: string) => {
  total += type.length + data.length + id.length
}

const page = {
  fixtures: () => fixtures.map(({ key, name }) => ({ key, name })),

  /** What is wrong with what a side sees of a stream. */
  async check(name: PageSubject, shape: string, size: EventSize): Promise<string | undefined> {
    const reader: Subject = subjects[name]
    if (reader.output) return undefined
    const sum = new Sum()
    const see: See = (data, id) => sum.add(`${data}`, id)
    await reader.read(source(shape, size, 1), EVENTS_PER_BLOCK, see)
    const due = `${expected(size, 1)}`
    return `${sum}` === due ? undefined : `${name}: expected ${due}, got ${sum}`
  },

  /** Milliseconds that a stream takes, from request to last event. */
  async read(name: PageSubject, shape: string, size: EventSize, blocks: number): Promise<number> {
    const reader: Subject = subjects[name]
    const count = EVENTS_PER_BLOCK * blocks
    const before = performance.now()
    const seen = await reader.read(source(shape, size, blocks), count, undefined)
    const taken = performance.now() - before
    const due = reader.output === 'bytes' ? count * size : count
    if (seen !== due) throw new Error(`${name}: expected ${due} of the stream, got ${seen}`)
    return taken
  },

  async checkParser(name: PageParser, key: string): Promise<string | undefined> {
    const { made, expected } = fixture(key)
    const seen: ParsedEvent[] = []
    await parsers[name].read(made, (type, data, id) => seen.push({ type, data, id }))
    const due = expected()
    const line = (event?: ParsedEvent) => event && [event.type, event.data, event.id].join('\0')
    const at = due.findIndex((event, n) => line(event) !== line(seen[n]))
    if (at === -1 && seen.length === due.length) return undefined
    return `${name}: expected ${due.length} events, got ${seen.length}, the first wrong one is ${at}`
  },

  /** Milliseconds that it takes to parse a fixture so many times. */
  async parse(name: PageParser, key: string, times: number): Promise<number> {
    const { made } = fixture(key)
    const before = performance.now()
    for (let n = 0; n < times; n++) await parsers[name].read(made, take)
    return performance.now() - before
  },

  /** Asked for by nobody: so that no compiler leaves out the work. */
  total: () => total,
}

export type Page = typeof page
Object.assign(globalThis, { bench: page })

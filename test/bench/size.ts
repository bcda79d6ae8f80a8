import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { bundle, workFolder } from './bundle'
import type { Figure } from './figure'
import { withVersion } from './versions'

interface Size {
  gzip: number
  brotli: number
}

const EVENTS = "{ events } from 'tidings'"

/** What an app imports of us, the bytes of min+gzip that it may weigh, and what it stands beside. */
const OURS: { code: string; limit?: number; beside: readonly string[] }[] = [
  {
    code: EVENTS,
    limit: 7700,
    beside: ['eventsource-client', 'eventsource-parser', 'parse-sse', '@azure/core-sse'],
  },
  {
    code: "{ EventSource } from 'tidings'",
    limit: 8700,
    beside: ['eventsource', 'sse.js', 'reconnecting-eventsource'],
  },
  {
    code: "{ fetchEventSource } from 'tidings/fetch-event-source'",
    limit: 6800,
    beside: ['@microsoft/fetch-event-source'],
  },
  {
    code: "{ readEvents } from 'tidings/parser'",
    limit: 2200,
    beside: ['eventsource-parser', 'parse-sse'],
  },
  { code: "{ bearer } from 'tidings/auth'", limit: 1200, beside: [EVENTS] },
  { code: "* from 'tidings'", beside: [EVENTS] },
]

/** What an app imports beside `events`, and the bytes that it may add. */
const ADDED: { code: string; limit?: number }[] = [
  { code: "{ parseJson } from 'tidings'" },
  { code: "{ validated } from 'tidings'" },
  { code: "{ whenVisible } from 'tidings'" },
  { code: "{ dedupe } from 'tidings'" },
  { code: "{ observable } from 'tidings'" },
  { code: "{ fromRequest } from 'tidings'" },
  { code: "{ EventSource } from 'tidings'" },
  { code: "{ bearer } from 'tidings/auth'" },
  { code: "{ useEvents } from 'tidings/vue'", limit: 3000 },
  { code: "{ useEvents } from 'tidings/react'", limit: 3000 },
]

/** What an app imports of a peer. */
const PEERS: Record<string, string> = {
  eventsource: '{ EventSource }',
  '@microsoft/fetch-event-source': '{ fetchEventSource }',
  'eventsource-client': '{ createEventSource }',
  'eventsource-parser': '{ createParser }',
  'sse.js': '{ SSE }',
  'parse-sse': '{ parseServerSentEvents }',
  '@azure/core-sse': '{ createSseStream }',
  'reconnecting-eventsource': '{ default }',
}

/** What an import adds to an app for browsers, bundled by esbuild. Sizes take no turns. */
export async function suite(): Promise<Figure[]> {
  const sizes = new Map<string, Size>()
  for (const [name, clause] of Object.entries(PEERS)) {
    sizes.set(name, await weigh(`export ${clause} from '${name}'`))
  }
  for (const { code } of OURS) sizes.set(code, await weigh(ours(code)))
  const whole = OURS.flatMap(({ code, limit, beside }) => {
    const size = sizes.get(code) as Size
    const measured = { measure: 'min+gzip', subject: shown(code) }
    const figures = beside.map((name) => {
      const against = name in PEERS ? withVersion(name) : shown(name)
      return compared({ ...measured, against }, size, sizes.get(name) as Size)
    })
    return limit === undefined ? figures : [limited(measured, size, limit), ...figures]
  })
  const alone = sizes.get(EVENTS) as Size
  const added: Figure[] = []
  for (const { code, limit } of ADDED) {
    const both = await weigh(`${ours(EVENTS)}\n${ours(code)}`)
    const more = { gzip: both.gzip - alone.gzip, brotli: both.brotli - alone.brotli }
    const measured = { measure: 'min+gzip, added to `events`', subject: shown(code) }
    if (limit !== undefined) added.push(limited(measured, more, limit))
    const figure = compared({ ...measured, against: shown(EVENTS) }, both, alone)
    added.push({ ...figure, absolute: { subject: weight(more), against: weight(alone) } })
  }
  return [...whole, ...added]
}

type Measured = Pick<Figure, 'measure' | 'subject'>

function compared(of: Measured & Pick<Figure, 'against'>, size: Size, other: Size): Figure {
  return {
    suite: 'size',
    ...of,
    ratio: size.gzip / other.gzip,
    reads: 'times the cost',
    absolute: { subject: weight(size), against: weight(other) },
  }
}

function limited(of: Measured, size: Size, limit: number): Figure {
  const figure = compared({ ...of, against: 'the limit' }, size, { gzip: limit, brotli: 0 })
  const against = `${limit.toLocaleString('en')} B`
  return { ...figure, goal: 1, absolute: { subject: weight(size), against } }
}

const shown = (code: string) => `\`${code}\``

const { exports } = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
) as { exports: Record<string, { import: { default: string } }> }

/** The same from the file of the production build: `{ bearer } from 'tidings/auth'`. */
function ours(code: string): string {
  const path = (entry: string) => {
    const file = exports[entry.replace('tidings', '.')]?.import.default ?? entry
    return fileURLToPath(new URL(`../../${file}`, import.meta.url))
  }
  return `export ${code.replace(/'(.+)'/, (_, entry) => `'${path(entry)}'`)}`
}

async function weigh(code: string): Promise<Size> {
  const entry = join(workFolder(), 'app.js')
  writeFileSync(entry, code)
  const output = await bundle(pathToFileURL(entry), {
    platform: 'browser',
    minify: true,
    banner: {},
    // All but the frameworks, which an app has anyway.
    noExternal: [/^(?!(vue|react)$)/],
  })
  const bytes = readFileSync(output)
  return { gzip: gzipSync(bytes, { level: 9 }).length, brotli: brotliCompressSync(bytes).length }
}

function weight({ gzip, brotli }: Size): string {
  return `${gzip.toLocaleString('en')} B, ${brotli.toLocaleString('en')} B brotli`
}

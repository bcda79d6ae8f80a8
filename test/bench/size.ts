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
    limit: 3000,
    beside: ['eventsource-client', 'eventsource-parser', 'parse-sse', '@azure/core-sse'],
  },
  {
    code: "{ EventSource } from 'tidings'",
    limit: 3700,
    beside: ['eventsource', 'sse.js', 'reconnecting-eventsource'],
  },
  {
    code: "{ fetchEventSource } from 'tidings/fetch-event-source'",
    limit: 2900,
    beside: ['@microsoft/fetch-event-source'],
  },
  { code: "{ bearer } from 'tidings/auth'", beside: [EVENTS] },
  { code: "* from 'tidings'", beside: [EVENTS] },
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
  for (const { code } of OURS) {
    sizes.set(
      code,
      await weigh(`export ${code.replace(/'(.+)'/, (_, entry) => `'${dist(entry)}'`)}`),
    )
  }
  return OURS.flatMap(({ code, limit, beside }) => {
    const size = sizes.get(code) as Size
    const figure = (against: string, gzip: number, absolute: string): Figure => ({
      suite: 'size',
      measure: 'min+gzip',
      subject: shown(code),
      against,
      ratio: size.gzip / gzip,
      reads: 'times the cost',
      absolute: { subject: weight(size), against: absolute },
    })
    const figures = beside.map((name) => {
      const other = sizes.get(name) as Size
      return figure(name in PEERS ? withVersion(name) : shown(name), other.gzip, weight(other))
    })
    if (limit === undefined) return figures
    const bytes = `${limit.toLocaleString('en')} B`
    return [{ ...figure('the limit', limit, bytes), goal: 1 }, ...figures]
  })
}

const shown = (code: string) => `\`${code}\``

/** The ESM file of an entry: `tidings/auth`. */
function dist(entry: string): string {
  const name = entry === 'tidings' ? 'index' : entry.slice('tidings/'.length)
  return fileURLToPath(new URL(`../../dist/${name}.js`, import.meta.url))
}

async function weigh(code: string): Promise<Size> {
  const entry = join(workFolder(), 'app.js')
  writeFileSync(entry, code)
  const output = await bundle(pathToFileURL(entry), {
    platform: 'browser',
    minify: true,
    banner: {},
  })
  const bytes = readFileSync(output)
  return { gzip: gzipSync(bytes, { level: 9 }).length, brotli: brotliCompressSync(bytes).length }
}

function weight({ gzip, brotli }: Size): string {
  return `${gzip.toLocaleString('en')} B, ${brotli.toLocaleString('en')} B brotli`
}

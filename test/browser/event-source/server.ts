import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'

/** How one request is answered. Scenarios ask for it in the request's URL. */
export interface Answer {
  /** Default: 200. */
  status?: number
  /** Default: an event stream's. A list gives a header several times. */
  headers?: Record<string, string | string[]>
  /** Chunks, each written on its own, as text whose characters are its bytes. */
  body?: string[]
  gzip?: boolean
  /** What comes after the body: the end, by default, silence, or a cut. */
  after?: 'end' | 'keep' | 'cut'
  /** Cuts the connection instead of answering. */
  cut?: boolean
  /** Never answers. */
  silent?: boolean
  /** What the answer allows other origins: the asking one with or without credentials, or any. */
  cors?: 'origin' | 'credentials' | 'any' | 'other'
}

export interface Site {
  readonly url: string
  close(): Promise<unknown>
}

/** What both classes are to send alike; the rest is the connection's or the browser's own. */
const COMPARED =
  /^(accept|cache-control|pragma|last-event-id|origin|cookie|referer|sec-fetch-.*|access-control-.*)$/

const root = new URL('../../../', import.meta.url)
const script = (path: string) => readFileSync(new URL(path, root))
const html = `<!doctype html>
<title>EventSource</title>
<link rel="icon" href="data:,">
<script type="module" src="/test/browser/event-source/suite.js"></script>`

/**
 * A site with a page, the library as it is published, the scenarios, and streams to order.
 *
 * @param logs - the requests for streams, by their key
 */
export async function createSite(logs: Map<string, string[]>): Promise<Site> {
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://site')
    // No connection is used twice: Chromium would hide a cut by asking again.
    response.setHeader('connection', 'close')
    if (pathname === '/page') {
      response.setHeader('content-type', 'text/html')
      response.setHeader('set-cookie', 'visitor=1')
      const policy = searchParams.get('policy')
      if (policy) response.setHeader('content-security-policy', policy)
      response.end(html)
    } else if (/^\/(dist|test\/browser\/event-source)\/[\w/-]+\.js$/.test(pathname)) {
      response.setHeader('content-type', 'text/javascript')
      response.setHeader('access-control-allow-origin', '*')
      response.end(script(pathname.slice(1)))
    } else if (pathname === '/log') {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(logs.get(searchParams.get('key') ?? '') ?? []))
    } else if (pathname === '/stream') {
      const key = searchParams.get('key') ?? ''
      const log = logs.get(key) ?? []
      logs.set(key, log)
      const answers = JSON.parse(searchParams.get('answers') ?? '[]') as Answer[]
      const earlier = log.filter((line) => !/^(OPTIONS|HEAD)/.test(line)).length
      log.push(describe(request))
      answer(request, response, answers[Math.min(earlier, answers.length - 1)] ?? {})
    } else {
      response.writeHead(404).end()
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(resolve))
    },
  }
}

function describe({ method, headers }: IncomingMessage): string {
  const compared = Object.entries(headers)
    .filter(([name]) => COMPARED.test(name))
    .map(([name, value]) => `${name}: ${Buffer.from(String(value), 'latin1').toString()}`)
  return [method, ...compared.sort()].join(' | ')
}

function answer(
  { socket, headers: asked }: IncomingMessage,
  response: ServerResponse,
  { status = 200, headers, body = [], gzip, after = 'end', cut, silent, cors }: Answer,
): void {
  if (cut) return void socket.resetAndDestroy()
  if (silent) return
  const own = asked.origin ?? ''
  const allowed = { origin: own, credentials: own, any: '*', other: 'http://other.test' }
  if (cors) response.setHeader('access-control-allow-origin', allowed[cors])
  if (cors === 'credentials') response.setHeader('access-control-allow-credentials', 'true')
  if (gzip) response.setHeader('content-encoding', 'gzip')
  for (const [name, value] of Object.entries({ 'content-type': 'text/event-stream', ...headers })) {
    response.setHeader(name, value)
  }
  response.writeHead(status)
  response.flushHeaders()
  const chunks = body.map((chunk) => Buffer.from(chunk, 'latin1'))
  const write = () => {
    const chunk = chunks.shift()
    // Each chunk gets a packet of its own.
    if (chunk) response.write(gzip ? gzipSync(chunk) : chunk, () => setTimeout(write, 5))
    else if (after === 'end') response.end()
    // Not by a reset, which would take with it what has been sent.
    else if (after === 'cut') setTimeout(() => socket.destroy(), 50)
  }
  write()
}

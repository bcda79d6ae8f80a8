import { readFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

const root = new URL('../../../', import.meta.url)
const html = `<!doctype html>
<title>Page life</title>
<link rel="icon" href="data:,">
<script type="module" src="/test/browser/page-life/page.js"></script>`

/** A stream as the server sees it. */
export interface Feed {
  /** The `Last-Event-ID` of each request, `''` where it has none. */
  readonly requests: string[]
  /** The most connections there were at once. */
  readonly most: number
  /** How many there are now. */
  readonly now: number
}

/**
 * A site with pages and numbered feeds, `/feed/NAME`: an event every 20 ms, whoever listens, and
 * after a resume the events that were missed.
 */
export async function createSite() {
  const feeds = new Map<string, { requests: string[]; most: number; open: Set<ServerResponse> }>()
  let last = 0
  const event = (id: number) => `id: ${id}\ndata: ${id}\n\n`
  const ticking = setInterval(() => {
    last++
    for (const { open } of feeds.values()) for (const response of open) response.write(event(last))
  }, 20)

  const feed = (name: string) => {
    const found = feeds.get(name) ?? { requests: [], most: 0, open: new Set<ServerResponse>() }
    feeds.set(name, found)
    return found
  }
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '', 'http://site')
    if (pathname.startsWith('/feed/')) {
      const own = feed(pathname.slice(6))
      const { open, requests } = own
      const from = String(request.headers['last-event-id'] ?? '')
      requests.push(from)
      open.add(response)
      own.most = Math.max(own.most, open.size)
      response.on('close', () => open.delete(response))
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
      // What was missed; a first request begins with now.
      let missed = ': hello\n\n'
      for (let id = Number(from || last) + 1; id <= last; id++) missed += event(id)
      response.write(missed)
    } else if (/^\/(dist|test\/browser\/page-life)\/[\w/-]+\.js$/.test(pathname)) {
      response.setHeader('content-type', 'text/javascript')
      response.end(readFileSync(new URL(pathname.slice(1), root)))
    } else {
      response.setHeader('content-type', 'text/html')
      response.end(pathname === '/elsewhere' ? '<!doctype html><title>Elsewhere</title>' : html)
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    feed(name: string): Feed {
      const { requests, most, open } = feed(name)
      return { requests, most, now: open.size }
    },
    /** Cuts the connections of a feed. */
    cut(name: string) {
      for (const { socket } of feed(name).open) socket?.destroy()
    },
    /** Writes a comment of 2 MiB to the connections of a feed. */
    flood(name: string) {
      for (const response of feed(name).open) response.write(`:${'x'.repeat(2 ** 21)}\n\n`)
    },
    close() {
      clearInterval(ticking)
      server.closeAllConnections()
      return new Promise((resolve) => server.close(resolve))
    },
  }
}

import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { build } from 'vite'

export const frameworks = ['react', 'vue'] as const
export type Framework = (typeof frameworks)[number]

/** The page's script, with the framework's development build: it warns, and React mounts twice. */
async function bundle(framework: Framework): Promise<string> {
  const result = await build({
    configFile: false,
    // It warns of 'use client', which means nothing here.
    logLevel: 'error',
    mode: 'development',
    define: {
      __DEV__: 'true',
      'process.env.NODE_ENV': '"development"',
      __VUE_OPTIONS_API__: 'false',
      __VUE_PROD_DEVTOOLS__: 'false',
      __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: 'false',
    },
    build: {
      write: false,
      minify: false,
      lib: {
        entry: fileURLToPath(new URL(`./${framework}.ts`, import.meta.url)),
        formats: ['es'],
        fileName: 'page',
      },
    },
  })
  const [{ output }] = result as unknown as [{ output: { code: string }[] }]
  return output.map(({ code }) => code).join('\n')
}

/** A stream as the server sees it. */
export interface Feed {
  /** The `Last-Event-ID` of each request, `''` where it has none. */
  readonly requests: string[]
  readonly open: Set<ServerResponse>
}

/** A site with a page for each framework, `/react` and `/vue`, and streams, `/feed/NAME`. */
export async function createSite() {
  const scripts = new Map<string, string>()
  for (const framework of frameworks) scripts.set(`/${framework}.js`, await bundle(framework))
  const feeds = new Map<string, Feed>()
  const feed = (name: string): Feed => {
    const found = feeds.get(name) ?? { requests: [], open: new Set<ServerResponse>() }
    feeds.set(name, found)
    return found
  }
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '', 'http://site')
    if (pathname.startsWith('/feed/')) {
      const { requests, open } = feed(pathname.slice(6))
      requests.push(String(request.headers['last-event-id'] ?? ''))
      open.add(response)
      response.on('close', () => open.delete(response))
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('retry: 10\n\n')
      return
    }
    const script = scripts.get(pathname)
    response.setHeader('content-type', script ? 'text/javascript' : 'text/html')
    response.end(
      script ??
        `<!doctype html><title>${pathname}</title><link rel="icon" href="data:,"><main></main>
<script type="module" src="${pathname}.js"></script>`,
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    feed,
    write(name: string, text: string) {
      for (const response of feed(name).open) response.write(text)
    },
    cut(name: string) {
      for (const { socket } of feed(name).open) socket?.destroy()
    },
    close() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(resolve))
    },
  }
}

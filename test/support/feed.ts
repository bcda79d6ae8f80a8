import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import { vi } from 'vitest'
import { serve, type TestServer } from './server'

/** A request as the server sees it. */
export interface Asked {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface Feed extends TestServer {
  readonly requests: Asked[]
  /** The responses that are open now. */
  readonly open: ReadonlySet<ServerResponse>
  /** Resolves when as many responses are open. */
  openToBe(count: number): Promise<void>
  /** Writes to every response that is open. */
  write(text: string): void
  /** Ends every response that is open. */
  end(): void
  /** Breaks every connection that is open. */
  cut(): void
}

/** A real server whose streams the test writes as it goes; `status` may refuse one. */
export async function serveFeed(
  status: (asked: Asked, number: number) => number = () => 200,
): Promise<Feed> {
  const requests: Asked[] = []
  const open = new Set<ServerResponse>()
  const server = await serve(async (request, response) => {
    const { method = '', url: path = '', headers } = request
    let body = ''
    for await (const chunk of request) body += chunk
    const asked = { method, path, headers, body }
    requests.push(asked)
    response.writeHead(status(asked, requests.length), { 'content-type': 'text/event-stream' })
    if (response.statusCode !== 200) {
      response.end()
      return
    }
    open.add(response)
    response.on('close', () => open.delete(response))
    response.flushHeaders()
  })
  return {
    ...server,
    requests,
    open,
    openToBe: (count) =>
      vi.waitFor(
        () => {
          if (open.size !== count) throw new Error(`Expected ${count} open, got ${open.size}`)
        },
        { interval: 2, timeout: 5000 },
      ),
    write(text) {
      for (const response of open) response.write(text)
    },
    end() {
      for (const response of open) response.end()
    },
    cut() {
      for (const { socket } of open) socket?.destroy()
    },
  }
}

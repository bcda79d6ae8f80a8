import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { createServer as createRawServer, type Server, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

export interface TestServer {
  readonly url: string
  /** The sockets that are open now. */
  readonly sockets: ReadonlySet<Socket>
  /** Resolves when as many sockets are open. */
  socketsToBe(count: number): Promise<void>
}

/** A real HTTP server on loopback that ends with its test. */
export function serve(listener: RequestListener): Promise<TestServer> {
  return listen(createHttpServer(listener))
}

/** A server that speaks bytes: for what no HTTP library would send. */
export function serveRaw(onConnection: (socket: Socket) => void): Promise<TestServer> {
  return listen(createRawServer(onConnection))
}

async function listen(server: Server): Promise<TestServer> {
  const sockets = new Set<Socket>()
  const watchers = new Set<() => void>()
  const changed = () => {
    for (const watcher of watchers) watcher()
  }
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    changed()
    socket.on('error', () => {})
    socket.on('close', () => {
      sockets.delete(socket)
      changed()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  const { port } = server.address() as { port: number }
  return {
    url: `http://127.0.0.1:${port}`,
    sockets,
    socketsToBe: (count) =>
      new Promise((resolve) => {
        const look = () => {
          if (sockets.size !== count) return
          watchers.delete(look)
          resolve()
        }
        watchers.add(look)
        look()
      }),
  }
}

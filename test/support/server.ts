import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { createServer as createRawServer, type Server, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

export interface TestServer {
  readonly url: string
  /** The sockets that are open now. */
  readonly sockets: ReadonlySet<Socket>
  /**
   * Resolves when as many sockets are open that something came on: Node 20 opens an idle one in
   * place of each that it closes early.
   */
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
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
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
    async socketsToBe(count) {
      while ([...sockets].filter(({ bytesRead }) => bytesRead > 0).length !== count) {
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    },
  }
}

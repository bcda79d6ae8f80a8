/**
 * Keeps event streams open, each with an event at the start, and tells a group of them another on
 * request. Prints its port when it listens; ends with its standard input.
 */
import { createServer, type Socket } from 'node:net'

const HEAD =
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n'
const EVENT = 'id: 17\ndata: {"price":101.25}\n\n'
const CHUNK = `${EVENT.length.toString(16)}\r\n${EVENT}\r\n`
const DONE = 'HTTP/1.1 204 No Content\r\n\r\n'

const groups = new Map<string, Set<Socket>>()
function group(name: string): Set<Socket> {
  const sockets = groups.get(name) ?? new Set()
  groups.set(name, sockets)
  return sockets
}

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => {})
  socket.on('data', (request) => {
    const [, verb, name] = /^GET \/(\w+)\/(\w+) /.exec(`${request}`) ?? []
    const sockets = group(`${name}`)
    if (verb === 'tell') {
      for (const each of sockets) each.write(CHUNK)
      return socket.write(DONE)
    }
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    return socket.write(HEAD + CHUNK)
  })
})
server.listen({ port: 0, host: '127.0.0.1', backlog: 1024 }, () => {
  const address = server.address()
  process.stdout.write(`${typeof address === 'object' && address?.port}\n`)
})
process.stdin.on('end', () => process.exit()).resume()

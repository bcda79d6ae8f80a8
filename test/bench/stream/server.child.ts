/**
 * The event streams, of a process of their own, made beforehand: the clients are what is measured.
 * Prints its port when it listens; ends with its standard input.
 */
import { createServer, type Socket } from 'node:net'
import { chunks, type EventSize, frames } from './fixture'

const HEAD = [
  'HTTP/1.1 200 OK',
  'content-type: text/event-stream',
  'transfer-encoding: chunked',
  'connection: close',
  '',
  '',
].join('\r\n')
const PAGE =
  'HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n<!doctype html>'
const NOT_FOUND = 'HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n'
const END = '0\r\n\r\n'

const chunked = (body: Buffer | string) =>
  Buffer.concat([
    Buffer.from(`${body.length.toString(16)}\r\n`),
    Buffer.from(body),
    Buffer.from('\r\n'),
  ])

/** Many HTTP chunks in few writes. */
function joined(parts: Buffer[]): Buffer[] {
  const size = 512
  return Array.from({ length: Math.ceil(parts.length / size) }, (_, n) =>
    Buffer.concat(parts.slice(n * size, (n + 1) * size)),
  )
}

/** One block of a stream, as it goes into the socket write by write. */
const shapes = {
  burst: (size: EventSize) => chunks(size).map(chunked),
  chunks: (size: EventSize) => joined(frames(size).map(chunked)),
  writes: (size: EventSize) => frames(size).map(chunked),
}
export type Shape = keyof typeof shapes

const made = new Map<string, Buffer[]>()
function block(shape: Shape, size: EventSize): Buffer[] {
  const key = `${shape} ${size}`
  const writes = made.get(key) ?? shapes[shape](size)
  made.set(key, writes)
  return writes
}

/** Writes the block so many times, as fast as the client takes it. */
function stream(socket: Socket, writes: Buffer[], blocks: number, pause: boolean): void {
  let at = 0
  const write = () => {
    while (at < writes.length * blocks) {
      const more = socket.write(writes[at++ % writes.length] as Buffer)
      if (!more) return
      if (pause) return void setImmediate(write)
    }
    socket.removeListener('drain', write)
    socket.end(END)
  }
  socket.on('drain', write)
  write()
}

const TICK = 1
let waiting: Socket | undefined

/**
 * Two clients get an event in turn, each with the time it was written at, so that whatever the
 * machine does meets both.
 */
function tick(socket: Socket, count: number): void {
  if (!waiting) {
    waiting = socket
    return
  }
  const pair = [waiting, socket]
  waiting = undefined
  let left = count * 2
  const next = () => {
    const turn = pair[left % 2]
    if (left-- === 0) {
      for (const each of pair) each.end(END)
      return
    }
    turn?.write(chunked(`data: ${process.hrtime.bigint()}\n\n`))
    setTimeout(next, TICK)
  }
  setTimeout(next, 20)
}

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => {})
  socket.once('data', (request) => {
    const path = `${request}`.split(' ', 2)[1]
    const { pathname, searchParams } = new URL(path ?? '/', 'http://localhost')
    if (pathname === '/page') return socket.end(PAGE)
    const shape = pathname.slice(1) as Shape
    // A page's icon, for one.
    if (pathname !== '/ticks' && !shapes[shape]) return socket.end(NOT_FOUND)
    socket.write(HEAD)
    if (pathname === '/ticks') return tick(socket, Number(searchParams.get('count')))
    const size = Number(searchParams.get('size')) as EventSize
    stream(socket, block(shape, size), Number(searchParams.get('blocks')), shape === 'writes')
  })
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  process.stdout.write(`${typeof address === 'object' && address?.port}\n`)
})
process.stdin.on('end', () => process.exit()).resume()

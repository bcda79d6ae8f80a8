import type { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import type { SseError } from '../src/errors'
import { type EventsOptions, events } from '../src/faces/events'
import { runChild } from './faults/child'
import { stream } from './support/response'
import { serveRaw } from './support/server'

const MiB = 2 ** 20
const HEAD = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n'

/** Resolves when the socket takes more, or is closed. */
function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const go = () => {
      socket.off('drain', go).off('close', go)
      resolve()
    }
    socket.on('drain', go).on('close', go)
  })
}

interface Flood {
  readonly name: string
  /** Sent before the flood. Default: the head of an event stream. */
  readonly head?: string
  /** Sent again and again. */
  readonly part: string | ((number: number) => string)
  /** Mebibytes; then comes an event that says `stop`. Default: no end. */
  readonly size?: number
  readonly options?: { maxEventSize?: number; dedupe?: number; hears?: boolean }
  readonly end: string
  readonly events?: number
  /** The most mebibytes of live memory that it may take, over what an idle stream takes. */
  readonly figure: number
}

/** Writes the flood as fast as it is read, until it ends or the connection does. */
async function pour(socket: Socket, { head = HEAD, part, size = 1000 }: Flood) {
  socket.write(head)
  const repeated = typeof part === 'string' ? part.repeat(Math.ceil(65_536 / part.length)) : ''
  let number = 0
  for (let sent = 0; sent < size * MiB && !socket.destroyed; ) {
    let text = repeated
    if (typeof part !== 'string') while (text.length < 65_536) text += part(++number)
    const bytes = Buffer.from(text)
    sent += bytes.length
    if (!socket.write(bytes)) await drained(socket)
  }
  socket.write('\n\ndata: stop\n\n')
}

// What is neither kept nor delivered takes no memory, whatever comes.
const flat = { size: 24, end: 'done', events: 1, figure: 8 }
// 16 MiB of text, by default: one byte a character or two, and as much again while it is put together.
const full = { end: 'too-large', events: 0, figure: 40 }

const floods: Flood[] = [
  { ...flat, name: 'comments', part: ': still here\n', size: 64 },
  { ...flat, name: 'blank lines', part: '\n' },
  { ...flat, name: 'unknown fields', part: 'x-header: value\n' },
  { ...flat, name: 'event types', part: 'event: x\n' },
  { ...flat, name: 'IDs', part: (number) => `id: ${number}\n` },
  { ...flat, name: 'IDs of blocks without data', part: (number) => `id: ${number}\n\n` },
  { ...flat, name: 'reconnection times', part: (number) => `retry: ${number}\n` },
  { ...flat, name: 'a million tiny events', part: 'data\n\n', size: 6, events: 1_048_609 },
  {
    ...flat,
    name: 'events with IDs and a dedupe window',
    part: (number) => `id: 3f2b8c1e-${number}\ndata\n\n`,
    options: { dedupe: 1000 },
    events: 972_343,
  },
  { ...flat, name: 'a line that is no field, without end', part: 'x' },
  { ...flat, name: 'a comment without end', head: `${HEAD}:`, part: 'x', size: 64 },
  { ...flat, name: 'a field name without end, beyond Latin-1', part: '☃' },
  { ...flat, name: 'the value of an unknown field without end', head: `${HEAD}x: `, part: 'x' },
  { ...flat, name: 'a retry without end', head: `${HEAD}retry: `, part: '7' },
  {
    ...full,
    name: 'a comment without end that is heard',
    head: `${HEAD}:`,
    part: 'x',
    options: { hears: true },
  },
  { ...full, name: 'a line of data without end', head: `${HEAD}data: `, part: 'x' },
  { ...full, name: 'a type without end', head: `${HEAD}event: `, part: 'x' },
  { ...full, name: 'an ID without end', head: `${HEAD}id: `, part: '7' },
  {
    ...full,
    name: 'a line of data without end, beyond Latin-1',
    head: `${HEAD}data: `,
    part: '☃',
    figure: 64,
  },
  { ...full, name: 'an event without end', part: 'data: more\n' },
  {
    ...full,
    name: 'empty data lines without end',
    part: 'data\n',
    options: { maxEventSize: 4 * MiB },
    figure: 16,
  },
  {
    ...full,
    name: 'a line of data without end in chunks of one byte',
    head: `${HEAD.replace('\r\n\r\n', '\r\ntransfer-encoding: chunked\r\n\r\n')}5\r\ndata:\r\n`,
    part: '1\r\nx\r\n',
    options: { maxEventSize: MiB / 2 },
    figure: 8,
  },
  {
    ...flat,
    name: 'response headers',
    head: 'HTTP/1.1 200 OK\r\n',
    part: 'x-header: value\r\n',
    end: 'network',
    events: 0,
  },
  {
    ...flat,
    name: 'the body of a refused response',
    head: 'HTTP/1.1 403 No\r\n\r\n',
    part: 'x',
    end: 'status',
    events: 0,
  },
]

describe('live memory stays under its figure in a flood of', () => {
  const program = new URL('./faults/memory.child.ts', import.meta.url)
  for (const flood of floods) {
    test(`${flood.name}: ${flood.figure} MiB`, { timeout: 60_000 }, async () => {
      const server = await serveRaw((socket) => {
        socket.once('data', () => pour(socket, flood))
      })
      const args = [server.url, JSON.stringify(flood.options ?? {})]
      const { lines, errors } = await runChild(program, args, ['--expose-gc'])
      expect(errors).toBe('')
      const { end, received, peak } = JSON.parse(lines.join())
      expect([end, received]).toEqual([flood.end, flood.events])
      expect(peak).toBeLessThan(flood.figure)
    })
  }
})

describe('a slow consumer holds the server back', () => {
  // The kernel's buffers take some mebibytes of a loopback connection, on either side.
  const buffers = 24 * MiB
  const event = `data: ${'x'.repeat(1024 - 8)}\n\n`

  const faces = {
    'events()': (url: string) => events(url),
    'events().batches()': (url: string) => events(url).batches(),
  }
  for (const [face, open] of Object.entries(faces)) {
    test(`by ${face}`, async () => {
      let stalled = () => {}
      let sent = 0
      const server = await serveRaw((socket) => {
        socket.once('data', async () => {
          socket.write(HEAD)
          const part = Buffer.from(event.repeat(64))
          while (!socket.destroyed) {
            sent += part.length
            if (socket.write(part)) continue
            // No drain for so long on loopback: nobody reads.
            const timer = setTimeout(() => stalled(), 200)
            await drained(socket)
            clearTimeout(timer)
          }
        })
      })
      const ahead: number[] = []
      let received = 0
      for await (const some of open(server.url)) {
        received += Array.isArray(some) ? some.length : 1
        // At once, and again after more than all buffers together hold.
        if (received * 1024 < ahead.length * buffers) continue
        await new Promise<void>((resolve) => {
          stalled = resolve
        })
        ahead.push(sent - received * 1024)
        if (ahead.length === 2) break
      }
      expect(ahead.map((bytes) => bytes < buffers)).toEqual([true, true])
      await server.socketsToBe(0)
    })
  }
})

describe('maxEventSize is one cap over the data, the type and the ID of an event', () => {
  const outcome = async (wire: string, options: EventsOptions) => {
    const fetch = async () => stream([wire])
    try {
      for await (const _ of events('http://x/', { fetch, onEnd: 'complete', ...options }));
      return 'done'
    } catch (error) {
      return (error as SseError).code
    }
  }

  const rows: [name: string, wire: string, size: number, options?: EventsOptions][] = [
    ['a line of data, without its name', 'data: 1234\n\n', 4],
    ['two lines of data, with the LF between them', 'data: 1234\ndata: 5678\n\n', 9],
    ['an ID and the data after it', 'id: 1234\ndata: 5678\n\n', 8],
    ['a type and the data after it', 'event: 1234\ndata: 5678\n\n', 8],
    ['the last type and the last ID', 'event: 12345\nevent: 12\nid: 1\ndata: 5678\n\n', 7],
    ['characters beyond the BMP, by their UTF-16 units', 'data: 😀😀\n\n', 4],
    ['the event alone, not the one before it', 'data: 1234\n\ndata: 5678\n\n', 4],
    ['a comment that is heard', ':1234\n\n', 4, { onComment: () => {} }],
  ]
  for (const [name, wire, size, options] of rows) {
    test(`${name}: ${size} characters pass, one less does not`, async () => {
      const code = async (maxEventSize: number) => outcome(wire, { ...options, maxEventSize })
      expect([await code(size), await code(size - 1)]).toEqual(['done', 'too-large'])
    })
  }

  test.each([
    ['a line that is not ended yet', 'data: 12345'],
    ['an ID that is not ended yet', 'id: 12345'],
  ])('%s is refused as soon as it is over it', async (_, wire) => {
    const fetch = async () => stream([wire], 'stall')
    const next = events('http://x/', { fetch, maxEventSize: 4 })[Symbol.asyncIterator]().next()
    await expect(next).rejects.toMatchObject({ code: 'too-large', retriable: false })
  })

  test.each([
    ['a comment that nobody hears', ':123456789\n\n'],
    ['an unknown field', 'x: 1234567\n\n'],
    ['a line that is no field', '12345\n\n'],
    ['the ID that is carried over', 'id: 1234\n\ndata: 5678\n\n'],
  ])('%s does not count', async (_, wire) => {
    expect(await outcome(wire, { maxEventSize: 4 })).toBe('done')
  })

  test('is 16 Mi characters, to the letter', async () => {
    const data = 'x'.repeat(2 ** 24)
    expect(await outcome(`data: ${data}\n\n`, {})).toBe('done')
    expect(await outcome(`data: ${data}x\n\n`, {})).toBe('too-large')
    expect(await outcome(`data: ${data}x\n\n`, { maxEventSize: 2 ** 24 + 1 })).toBe('done')
    expect(await outcome(`data: ${data}x\n\n`, { maxEventSize: Number.POSITIVE_INFINITY })).toBe(
      'done',
    )
  })
})

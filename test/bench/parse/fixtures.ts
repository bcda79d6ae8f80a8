import { Random } from '../../faults/random'

/** What every parser's output is brought to before it is compared. */
export interface ParsedEvent {
  type: string
  data: string
  /** The event's own ID, `''` where it has none: no fixture has an event with an ID before one without. */
  id: string
}

/** A stream, the same in every run. Free of Node: Chromium reads the same ones. */
export interface Fixture {
  /** For the command line: `npm run bench -- parse llm`. */
  key: string
  name: string
  /** Each with a buffer of its own, as `fetch` delivers them. */
  chunks(): Uint8Array[]
  expected(): ParsedEvent[]
  /** The same kind of stream, short enough for a parser whose cost grows with the square. */
  short?: Fixture
}

interface Wire {
  text: string
  events: ParsedEvent[]
}

const KIB = 1024
const MIB = KIB * KIB

const WORDS =
  'the of stream and server a event to in that line is byte for on with as was token by be'.split(
    ' ',
  )

const CJK = [...'服务器发送事件流式传输数据的时间戳与连接断开后重新获取日本語の文字列한국어문장']
const EMOJI = ['😀', '🚀', '👩‍💻', '🇯🇵', '❤️', '🧪']

function words(random: Random, length: number): string {
  let text = random.pick(WORDS)
  while (text.length < length) text += ` ${random.pick(WORDS)}`
  return text.slice(0, length)
}

/** Events that consist of one `data` line. */
function plain(count: number, end: string, data: (index: number) => string): Wire {
  const events = Array.from({ length: count }, (_, index) => message(data(index)))
  return { text: events.map(({ data }) => `data: ${data}${end}${end}`).join(''), events }
}

function message(data: string): ParsedEvent {
  return { type: 'message', data, id: '' }
}

/** As OpenAI's chat completions stream them. */
function delta(random: Random, content: string): string {
  const fingerprint = `fp_${random.integer(0x10000000, 0xffffffff).toString(16)}`
  return JSON.stringify({
    id: 'chatcmpl-AbC1dEfGh2IjKlMnO3pQrStUvW4xY',
    object: 'chat.completion.chunk',
    created: 1_760_000_000 + random.integer(0, 1000),
    model: 'gpt-4o-mini-2024-07-18',
    service_tier: 'default',
    system_fingerprint: fingerprint,
    choices: [{ index: 0, delta: { content }, logprobs: null, finish_reason: null }],
  })
}

function named(count: number, end: string): Wire {
  const random = new Random(4)
  const events = Array.from({ length: count }, (_, index) => ({
    type: random.pick(['price', 'trade', 'depth']),
    id: String(1_000_000 + index),
    data: `{"symbol":"${random.pick(['EURUSD', 'GBPUSD', 'USDJPY'])}","bid":${random.integer(1000, 9999)}}`,
  }))
  const text = events
    .map(({ type, id, data }) => `event: ${type}${end}id: ${id}${end}data: ${data}${end}${end}`)
    .join('')
  return { text, events }
}

function heartbeats(count: number): Wire {
  const random = new Random(9)
  const events: ParsedEvent[] = []
  let text = ''
  for (let index = 0; index < count; index++) {
    text += ': keep-alive\n\n'
    if (index % 50 < 49) continue
    const data = words(random, 100)
    events.push(message(data))
    text += `data: ${data}\n\n`
  }
  return { text, events }
}

function manyLines(count: number): Wire {
  const random = new Random(8)
  const lines = Array.from({ length: count }, () => words(random, random.integer(10, 40)))
  return { text: `data: ${lines.join('\ndata: ')}\n\n`, events: [message(lines.join('\n'))] }
}

function oneLine(length: number): Wire {
  const random = new Random(7)
  const data = words(random, 64 * KIB - 1)
    .concat('.')
    .repeat(length / (64 * KIB))
  return plain(1, '\n', () => data)
}

function oneLineIn(size: number, key: string, title: string): Fixture {
  const of = (length: number) =>
    fixture(key, `one line of ${length / MIB} MiB in ${title} chunks`, () => oneLine(length), size)
  return { ...of(8 * MIB), short: of(MIB) }
}

/** Cuts the bytes into chunks of `size`, or of what `size` says each time. */
function cut(bytes: Uint8Array, size: number | (() => number)): Uint8Array[] {
  const next = typeof size === 'number' ? () => size : size
  const chunks: Uint8Array[] = []
  for (let start = 0; start < bytes.length; ) {
    const end = Math.min(start + next(), bytes.length)
    chunks.push(bytes.slice(start, end))
    start = end
  }
  return chunks
}

function fixture(
  key: string,
  name: string,
  make: () => Wire,
  size: number | 'event' | [least: number, most: number],
): Fixture {
  return {
    key,
    name,
    chunks() {
      const { text } = make()
      const encoder = new TextEncoder()
      if (size === 'event') return text.split(/(?<=\n\n)/).map((block) => encoder.encode(block))
      const random = new Random(1)
      return cut(
        encoder.encode(text),
        typeof size === 'number' ? size : () => random.integer(...size),
      )
    },
    expected: () => make().events,
  }
}

function llm(count: number, content: (random: Random) => string): Wire {
  const random = new Random(3)
  return plain(count + 1, '\n', (index) =>
    index < count ? delta(random, content(random)) : '[DONE]',
  )
}

const english = (random: Random) => ` ${random.pick(WORDS)}`

const chinese = (random: Random) => {
  let text = ''
  for (let left = random.integer(1, 24); left > 0; left--) text += random.pick(CJK)
  return random.chance(0.3) ? text + random.pick(EMOJI) : text
}

function chineseText(index: number): string {
  const random = new Random(index)
  return Array.from({ length: 100 }, () => random.pick(CJK)).join('')
}

function sized(count: number, eventSize: number, end: string): Wire {
  const random = new Random(eventSize)
  const length = eventSize - 'data: '.length - 2 * end.length
  return plain(count, end, () => words(random, length))
}

export const fixtures: readonly Fixture[] = [
  fixture('llm', 'LLM deltas, one per chunk', () => llm(2000, english), 'event'),
  fixture('mix', 'LLM deltas with some Chinese, one per chunk', () => llm(2000, chinese), 'event'),
  fixture('40b', '40 B events in 64 KiB chunks', () => sized(20_000, 40, '\n'), 64 * KIB),
  fixture('200b', '200 B events in 64 KiB chunks', () => sized(5000, 200, '\n'), 64 * KIB),
  fixture('named', 'named events with IDs in 64 KiB chunks', () => named(10_000, '\n'), 64 * KIB),
  fixture(
    'crlf',
    '100 B events with CRLF in 64 KiB chunks',
    () => sized(10_000, 100, '\r\n'),
    64 * KIB,
  ),
  fixture('cjk', 'CJK and emoji, cut at odd places', () => llm(2000, chinese), [1, 2000]),
  fixture('cjk16k', 'Chinese in 16 KiB chunks', () => plain(2000, '\n', chineseText), 16 * KIB),
  fixture('tiny', '1-16 B chunks', () => llm(400, english), [1, 16]),
  oneLineIn(16 * KIB, 'line16k', '16 KiB'),
  oneLineIn(1460, 'line1460', '1,460 B'),
  fixture('lines', '100,000 data lines in one event', () => manyLines(100_000), 64 * KIB),
  fixture('heartbeats', 'heartbeats in 64 KiB chunks', () => heartbeats(40_000), 64 * KIB),
]

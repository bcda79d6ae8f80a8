// What a stream and a line cost as they grow, on whatever Node runs it (with `--expose-gc`).
import { EventStreamParser } from '../../../src/parser/parser'
import { type Costs, here, medians, type Rounds, takeTurns } from '../rounds'
import { type Fixture, fixtures } from './fixtures'
import { tidings } from './parsers'

/** What the child prints, as JSON. Times are CPU milliseconds per MiB. */
export interface Growth {
  stream: { ratio: number; short: number; long: number }
  line: { ratio: number; short: number; long: number }
  /** Bytes in use after a short and a long stream, with the parser still open. */
  heap: { ratio: number; short: number; long: number }
}

// MiB. Both lines are longer than what V8 collects for next to nothing, its young generation.
const LENGTHS = { stream: { short: 16, long: 256 }, line: { short: 4, long: 15 } }

const END = new TextEncoder().encode('\n\n')

async function growth(rounds: Rounds): Promise<Growth> {
  const block = chunksOf('200b')
  const bytes = block.reduce((sum, chunk) => sum + chunk.length, 0)
  const blocks = (mib: number) => Math.round((mib * 2 ** 20) / bytes)

  /** Reads block after block with one parser, as one stream. */
  const read = (mib: number, parser = new EventStreamParser()) => {
    for (let left = blocks(mib); left > 0; left--) {
      for (const chunk of block) {
        parser.feed(chunk)
        for (let event = parser.next(); event !== undefined; event = parser.next())
          look('', event.data)
      }
    }
    return parser
  }
  const { stream, line } = LENGTHS
  const streams = await takeTurns(
    here(() => void read(stream.short)),
    here(() => void read(stream.long)),
    rounds,
  )
  const parser = read(stream.short)
  const after = live()
  read(stream.long, parser)
  const heap = { short: after, long: live() }

  const chunks = chunksOf('line1460').slice(0, -1)
  const endless = [...chunks, ...chunks]
  const lineOf = (mib: number) => {
    const parts = endless.slice(0, Math.round((mib * 2 ** 20) / (chunks[0]?.length ?? 1)))
    return here(() => tidings.read([...parts, END], look))
  }
  const lines = await takeTurns(lineOf(line.short), lineOf(line.long), rounds)
  return {
    stream: each(streams, stream),
    line: each(lines, line),
    heap: { ratio: heap.long / heap.short, ...heap },
  }
}

let sum = 0
/** As an application would: a string that V8 has only noted down is made here. */
function look(_type: string, data: string): void {
  sum = (sum + data.charCodeAt(0)) | 0
}

/** Of a fixture. */
function chunksOf(key: string): Uint8Array[] {
  return (fixtures.find((fixture) => fixture.key === key) as Fixture).chunks()
}

function each(costs: Costs, { short, long }: { short: number; long: number }): Growth['stream'] {
  const { ratio, a, b } = medians(costs)
  return { ratio: ratio / (long / short), short: a / short, long: b / long }
}

function live(): number {
  globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

console.log(JSON.stringify(await growth(JSON.parse(process.argv[2] as string))))

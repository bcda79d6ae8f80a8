// One fixture and one rival in a process of its own, on whatever Node runs it: no other parser's
// shapes spoil what the compiler makes of these two.
import { type Costs, here, type Rounds, type Side, takeTurns } from '../rounds'
import { differs } from './differs'
import { type Fixture, fixtures } from './fixtures'
import { floors, type Parser, peers, tidings } from './parsers'
import { undici } from './undici'

/** What the suite asks of the child, as JSON in its only argument. */
export interface Task {
  fixture: string
  rival: string
  rounds: Rounds
}

/** What the child prints, as JSON. */
export interface Result {
  /** The stream that was read: the short one where the rival needs it. */
  measure: string
  bytes: number
  /** How an output differs from the expected one, by the name of the parser. */
  wrong: Record<string, string>
  /** Ours first. */
  costs: Costs
}

async function compare({ fixture: key, rival: name, rounds }: Task): Promise<Result> {
  const rivals = [...peers, undici, ...floors]
  const rival = rivals.find((rival) => rival.name === name) as Parser
  const full = fixtures.find((fixture) => fixture.key === key) as Fixture
  const fixture = rival.quadratic ? (full.short ?? full) : full
  const chunks = fixture.chunks()
  const expected = fixture.expected()

  const wrong: Record<string, string> = {}
  for (const parser of floors.includes(rival) ? [tidings] : [tidings, rival]) {
    const difference = await differs(parser, chunks, expected)
    if (difference !== undefined) wrong[parser.name] = difference
  }
  const costs = await takeTurns(side(tidings, chunks), side(rival, chunks), rounds)
  return {
    measure: fixture.name,
    bytes: chunks.reduce((sum, chunk) => sum + chunk.length, 0),
    wrong,
    costs,
  }
}

function side(parser: Parser, chunks: readonly Uint8Array[]): Side {
  let sum = 0
  // Looks into the data as an application would: a string that V8 has only noted down is made here.
  const take = (type: string, data: string, id: string): void => {
    sum = (sum + type.length + data.length + id.length + (data.charCodeAt(0) | 0)) | 0
  }
  return here(() => parser.read(chunks, take))
}

console.log(JSON.stringify(await compare(JSON.parse(process.argv[2] as string))))

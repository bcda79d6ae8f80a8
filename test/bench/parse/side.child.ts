// One parser and one fixture in a process of its own, on whatever Node runs it.
import { serve } from '../side'
import { differs } from './differs'
import { fixtures } from './fixtures'
import { floors, type Parser, peers, tidings } from './parsers'
import { undici } from './undici'

export interface Task {
  parser: string
  /** The key of the fixture. */
  fixture: string
  /** Its short stream, if it has one. */
  short: boolean
}

const task: Task = JSON.parse(process.argv[2] as string)
const parser = [tidings, ...peers, undici, ...floors].find(({ name }) => name === task.parser)
const full = fixtures.find(({ key }) => key === task.fixture)
if (!parser || !full)
  throw new RangeError(`Expected a parser and a fixture, got ${process.argv[2]}`)
const fixture = (task.short && full.short) || full
const chunks = fixture.chunks()

let sum = 0
// Looks into the data as an application would: a string that V8 has only noted down is made here.
const take = (type: string, data: string, id: string): void => {
  sum = (sum + type.length + data.length + id.length + (data.charCodeAt(0) | 0)) | 0
}
const wrong = floors.includes(parser as Parser)
  ? undefined
  : await differs(parser, chunks, fixture.expected())
serve(() => parser.read(chunks, take), wrong && `${parser.name}: ${wrong}`)

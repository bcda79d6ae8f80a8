/** Opens and closes connections: prints what a cycle costs, and what it leaves, as JSON. */
import { setTimeout as sleep } from 'node:timers/promises'
import { here, medians, type Rounds, takeTurns } from '../rounds'
import { settledHeap } from './heap'
import { type SubjectName, subjects } from './subjects'

export interface CyclesJob {
  origin: string
  subject: SubjectName
  against: SubjectName
  /** So many for what they leave in the heap; fewer than some thousands say nothing of it. */
  cycles?: number
  rounds: Rounds
}

export interface Cycles {
  /** Bytes that a cycle of the subject keeps. */
  kept?: number
  /** Microseconds of CPU a cycle. */
  cpu: { subject: number; against: number; ratio: number }
}

const UNIT = 20
/** Milliseconds that undici's timers may hold what they have timed. */
const TIMERS = 1200

const { origin, subject, against, cycles, rounds }: CyclesJob = JSON.parse(
  process.argv[2] as string,
)

/** One after the other: open, an event, close. */
async function cycle(name: SubjectName, times: number): Promise<void> {
  for (let n = 0; n < times; n++) {
    await new Promise<void>((resolve) => {
      const close = subjects[name](`${origin}/open/cycle`, () => {
        close()
        resolve()
      })
    })
  }
}

async function kept(name: SubjectName, cycles: number): Promise<number> {
  // What is kept once is there then.
  await cycle(name, cycles / 5)
  await sleep(TIMERS)
  const before = await settledHeap()
  await cycle(name, cycles)
  await sleep(TIMERS)
  return ((await settledHeap()) - before) / cycles
}

const costs = await takeTurns(
  here(() => cycle(against, UNIT)),
  here(() => cycle(subject, UNIT)),
  rounds,
)
const { ratio, a, b } = medians(costs)
const result: Cycles = {
  kept: cycles && (await kept(subject, cycles)),
  cpu: {
    subject: (b * 1000) / UNIT,
    against: (a * 1000) / UNIT,
    ratio,
  },
}
process.stdout.write(JSON.stringify(result), () => process.exit())

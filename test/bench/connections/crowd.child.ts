/** Holds many connections open, of two kinds: prints what each kind costs as JSON. */
import { median } from '../rounds'
import { settledHeap } from './heap'
import { type SubjectName, subjects } from './subjects'

export interface CrowdJob {
  origin: string
  subject: SubjectName
  against: SubjectName
  /** Connections of each kind. */
  count: number
  rounds: number
}

export interface Crowd {
  /** Bytes a connection. */
  heap: { subject: number; against: number }
  /** Microseconds an event. */
  cpu: { subject: number; against: number; ratio: number }
}

const AT_ONCE = 100
const WARM_UP = 3

const { origin, subject, against, count, rounds }: CrowdJob = JSON.parse(process.argv[2] as string)

class Group {
  readonly #name: string
  readonly #subject: SubjectName
  readonly #close: (() => void)[] = []
  #left = 0
  #all = () => {}

  constructor(subject: SubjectName, name: string) {
    this.#subject = subject
    this.#name = name
  }

  /** Resolves when each has had its first event. */
  async open(count: number): Promise<void> {
    for (let opened = 0; opened < count; opened += AT_ONCE) {
      const some = Math.min(AT_ONCE, count - opened)
      const told = this.#wait(some)
      for (let n = 0; n < some; n++) {
        this.#close.push(subjects[this.#subject](`${origin}/open/${this.#name}`, this.#told))
      }
      await told
    }
  }

  /** Microseconds of CPU, an event, that it takes them all to be told one. */
  async tell(): Promise<number> {
    const told = this.#wait(this.#close.length)
    const before = process.cpuUsage()
    await fetch(`${origin}/tell/${this.#name}`)
    await told
    const { user, system } = process.cpuUsage(before)
    return (user + system) / this.#close.length
  }

  close(): void {
    for (const close of this.#close) close()
  }

  #wait(count: number): Promise<void> {
    this.#left = count
    return new Promise((resolve) => {
      this.#all = resolve
    })
  }

  readonly #told = () => {
    if (--this.#left === 0) this.#all()
  }
}

// Modules, compiled code and the like, which come with the first.
for (const name of [against, subject]) {
  const few = new Group(name, 'few')
  await few.open(AT_ONCE)
  for (let n = 0; n < WARM_UP; n++) await few.tell()
  few.close()
}

const groups = { against: new Group(against, 'against'), subject: new Group(subject, 'subject') }
const empty = await settledHeap()
await groups.against.open(count)
const first = await settledHeap()
await groups.subject.open(count)
const heap = {
  against: (first - empty) / count,
  subject: ((await settledHeap()) - first) / count,
}
const costs = { against: [] as number[], subject: [] as number[] }
for (let round = -WARM_UP; round < rounds; round++) {
  const sides = round % 2 ? (['subject', 'against'] as const) : (['against', 'subject'] as const)
  for (const side of sides) {
    const cost = await groups[side].tell()
    if (round >= 0) costs[side].push(cost)
  }
}
const crowd: Crowd = {
  heap,
  cpu: {
    subject: median(costs.subject),
    against: median(costs.against),
    ratio: median(costs.subject.map((cost, round) => cost / (costs.against[round] as number))),
  },
}
process.stdout.write(JSON.stringify(crowd), () => process.exit())

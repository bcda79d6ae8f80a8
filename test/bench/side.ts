import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { type Costs, here, type Rounds, type Side, takeTurns, type Work } from './rounds'

/** Milliseconds that a side may take, all its rounds together. */
const TIME_LIMIT = 60_000

/** A program, built, and what it is told to do, as JSON in its only argument. */
export interface Job {
  node: string
  path: string
  task: object
}

/**
 * Lets two sides take turns that are processes of their own: neither spoils what the compiler makes
 * of the other, or what the other's garbage costs.
 *
 * @param pairs - how many pairs of processes, because a compiler's luck lasts for a process
 * @returns the costs of all rounds; what was wrong, as the sides say; `undefined` where it takes too long
 */
export async function compare(
  a: Job,
  b: Job,
  rounds: Rounds,
  pairs: number,
): Promise<{ costs: Costs; wrong: string | undefined } | undefined> {
  const costs: Costs[number][] = []
  let wrong: string | undefined
  for (let pair = 0; pair < pairs; pair++) {
    const sides = [new ForkedSide(a), new ForkedSide(b)] as const
    try {
      const [first, second] = await Promise.all(sides.map((side) => side.wrong))
      wrong ??= first ?? second
      costs.push(...(await takeTurns(sides[0].cost, sides[1].cost, rounds)))
    } catch (error) {
      if (sides.some((side) => side.timedOut)) return undefined
      throw error
    } finally {
      for (const side of sides) side.stop()
    }
  }
  return { costs, wrong }
}

class ForkedSide {
  /** What is wrong with its output. */
  readonly wrong: Promise<string | undefined>
  readonly #child: ChildProcess

  constructor({ node, path, task }: Job) {
    this.#child = fork(path, [JSON.stringify(task)], {
      execPath: node,
      execArgv: ['--expose-gc'],
      timeout: TIME_LIMIT,
    })
    this.wrong = this.#answer()
  }

  readonly cost: Side = (times) => {
    this.#child.send(times)
    return this.#answer()
  }

  get timedOut(): boolean {
    return this.#child.signalCode === 'SIGTERM'
  }

  stop(): void {
    this.#child.kill('SIGKILL')
  }

  async #answer<T>(): Promise<T> {
    const waiting = new AbortController()
    const { signal } = waiting
    const exit = once(this.#child, 'exit', { signal }).then(([code]) => {
      throw new Error(`Expected an answer of a side, got its exit with ${code}`)
    })
    try {
      const [{ answer }] = await Promise.race([once(this.#child, 'message', { signal }), exit])
      return answer
    } finally {
      waiting.abort()
      exit.catch(() => {})
    }
  }
}

/** What a side's program does: it works when it is told to. */
export function serve(work: Work, wrong: string | undefined): void {
  const cost = here(work)
  process.on('message', async (times) => process.send?.({ answer: await cost(times as number) }))
  process.send?.({ answer: wrong })
}

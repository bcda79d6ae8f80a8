/** One unit of work, done again and again. */
export type Work = () => void | Promise<void>

export interface Rounds {
  rounds: number
  warmUp: number
  /** Milliseconds of CPU time that a round of one side takes at least. */
  least: number
}

/**
 * Lets two sides take turns, so that what slows the machine down meets both.
 *
 * @returns the median over the rounds of `b`'s cost divided by `a`'s, and the median CPU
 * milliseconds of one unit of work of each
 */
export async function takeTurns(
  a: Work,
  b: Work,
  { rounds, warmUp, least }: Rounds,
): Promise<{ ratio: number; a: number; b: number }> {
  const timesA = await calibrate(a, least)
  const timesB = await calibrate(b, least)
  for (let round = 0; round < warmUp; round++) {
    await cost(a, timesA)
    await cost(b, timesB)
  }
  const costsA: number[] = []
  const costsB: number[] = []
  for (let round = 0; round < rounds; round++) {
    // Each goes first in half of the rounds.
    if (round % 2 === 0) costsA.push(await cost(a, timesA))
    costsB.push(await cost(b, timesB))
    if (round % 2 === 1) costsA.push(await cost(a, timesA))
  }
  const ratio = median(costsB.map((cost, round) => cost / (costsA[round] as number)))
  return { ratio, a: median(costsA), b: median(costsB) }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  return ((sorted[Math.floor(middle)] as number) + (sorted[Math.ceil(middle) - 1] as number)) / 2
}

/** How often the work must be done for a round. It warms up meanwhile. */
async function calibrate(work: Work, least: number): Promise<number> {
  for (let times = 1; ; times *= 2) {
    const each = await cost(work, times)
    if (each * times >= least / 4) return Math.max(1, Math.ceil(least / each))
  }
}

/**
 * CPU milliseconds of one unit of work, its garbage collection and compilation included. No `gc()`
 * before it: that shrinks V8's young generation to a size that no running application has, which
 * costs what lives for one chunk up to 7 times its due.
 */
async function cost(work: Work, times: number): Promise<number> {
  const before = process.cpuUsage()
  for (let left = times; left > 0; left--) {
    const pending = work()
    if (pending) await pending
  }
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000 / times
}

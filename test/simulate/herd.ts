import { backoffTime, type RetryOptions } from '../../src/session/retry'

/** A server and the clients that lose it. Times are in milliseconds. */
export interface Herd {
  readonly clients: number
  /** How long the server is away. */
  readonly outage: number
  /** Each client notices the loss at some time, all equally likely, within this. 0: all at once. */
  readonly spread: number
  readonly seed?: number
}

/** How the clients of a {@link Herd} came back. */
export interface Return {
  /** Milliseconds from the server's return to each arrival, in order. */
  readonly times: Float64Array
  /** Attempts of all clients while the server was away. */
  readonly failures: number
}

/** Milliseconds from the loss, or from the last failed attempt, to the next attempt. */
export type Wait = (failures: number) => number

/** Our own arithmetic, for `events()` unless told otherwise; `asked` is what the server's `retry` is. */
export function ours(
  { reconnectionTime = 1000, ...options }: RetryOptions & { reconnectionTime?: number } = {},
  asked?: number,
): Wait {
  return (failures) => backoffTime(options, failures, asked ?? reconnectionTime, asked)
}

const fixed = (milliseconds: number): Wait => {
  return () => milliseconds
}

/** Milliseconds: what a server with a large herd might ask for. */
export const RETRY = 30_000

/** Who waits how, where nobody configured anything; ours also where the server sent {@link RETRY}. */
export const WAITS = {
  events: ours(),
  eventsAsked: ours({}, RETRY),
  eventSource: ours({ reconnectionTime: 3000, factor: 1 }),
  eventSourceAsked: ours({ factor: 1, jitter: 0.1 }, RETRY),
  peer: fixed(1000),
  browser: fixed(3000),
  firefox: fixed(5000),
} satisfies Record<string, Wait>

/** An attempt fails at once while the server is away, and succeeds at once when it is back. */
export function simulate(wait: Wait, { clients, outage, spread, seed = 1 }: Herd): Return {
  return seeded(seed, () => {
    const times = new Float64Array(clients)
    let failures = 0
    for (let client = 0; client < clients; client++) {
      let at = Math.random() * spread
      let attempt = 0
      do at += wait(++attempt)
      while (at < outage)
      failures += attempt - 1
      times[client] = at - outage
    }
    return { times: times.sort(), failures }
  })
}

/** The most arrivals within any one second, wherever it begins. */
export function peak({ times }: Return, second = 1000): number {
  let most = 0
  let first = 0
  for (let last = 0; last < times.length; last++) {
    while ((times[last] as number) - (times[first] as number) >= second) first++
    most = Math.max(most, last - first + 1)
  }
  return most
}

/** Arrivals in the first second after the return, in the second one, and so on. */
export function perSecond({ times }: Return): number[] {
  const counts: number[] = []
  for (const time of times) {
    const index = Math.floor(time / 1000)
    while (counts.length <= index) counts.push(0)
    counts[index] = (counts[index] as number) + 1
  }
  return counts
}

/** Milliseconds from the return until this share of the clients is back. */
export function quantile({ times }: Return, share: number): number {
  return times[Math.ceil(share * times.length) - 1] as number
}

/** Calls with a `Math.random` that says the same in every run (mulberry32). */
function seeded<T>(seed: number, call: () => T): T {
  const { random } = Math
  let state = seed
  Math.random = () => {
    state = (state + 0x6d2b79f5) | 0
    let bits = Math.imul(state ^ (state >>> 15), state | 1)
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61)
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32
  }
  try {
    return call()
  } finally {
    Math.random = random
  }
}

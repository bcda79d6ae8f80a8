const real = {
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setInterval: globalThis.setInterval,
  clearInterval: globalThis.clearInterval,
  setImmediate: globalThis.setImmediate,
  MessageChannel: globalThis.MessageChannel,
  now: Date.now,
  random: Math.random,
}

interface Timer {
  readonly at: number
  readonly run: () => void
}

/** A clock of its own in place of the runtime's: nothing happens in it but what is due. */
export class Clock {
  static readonly START = 1_000_000
  now = Clock.START
  /** The library's timers. */
  readonly timers = new Map<number, Timer>()
  /** Those that come again and again. They ring as time passes, and make none pass. */
  readonly intervals = new Map<number, { at: number; every: number; run: () => void }>()
  /** The world's: servers, and what the consumer does at some time. */
  readonly world = new Map<number, Timer>()
  #last = 0

  later(delay: number, run: () => void, timers: Map<number, Timer> = this.world): number {
    timers.set(++this.#last, { at: this.now + Math.max(0, delay), run })
    return this.#last
  }

  /** Lets the next timer ring. `false` if there is none. */
  advance(): boolean {
    let next: [timers: Map<number, Timer>, id: number, timer: Timer] | undefined
    for (const timers of [this.world, this.timers]) {
      for (const [id, timer] of timers) {
        if (!next || timer.at < next[2].at) next = [timers, id, timer]
      }
    }
    if (!next) return false
    const [timers, id, { at, run }] = next
    timers.delete(id)
    for (const interval of [...this.intervals.values()]) {
      while (interval.at < at) {
        this.now = Math.max(this.now, interval.at)
        interval.at = this.now + interval.every
        interval.run()
      }
    }
    this.now = Math.max(this.now, at)
    run()
    return true
  }

  /** The machine sleeps: no timer rings until it wakes. */
  sleep(time: number): void {
    this.now += time
    for (const interval of [...this.intervals.values()]) {
      interval.at = this.now + interval.every
      interval.run()
    }
  }

  install(): void {
    Object.assign(globalThis, {
      setTimeout: (run: () => void, delay = 0) => this.later(delay, run, this.timers),
      clearTimeout: (id: number) => this.timers.delete(id),
      setInterval: (run: () => void, every: number) => {
        this.intervals.set(++this.#last, { at: this.now + every, every, run })
        return this.#last
      },
      clearInterval: (id: number) => this.intervals.delete(id),
      // Without it the library yields by a timer, which this clock knows.
      MessageChannel: undefined,
    })
    Date.now = () => this.now
    Math.random = () => 0.5
  }

  uninstall(): void {
    const { now, random, setImmediate: _, ...timers } = real
    Object.assign(globalThis, timers)
    Date.now = now
    Math.random = random
  }
}

/** Resolves when all that can happen without a timer has happened. */
export function quiet(): Promise<void> {
  return new Promise((resolve) => real.setImmediate(resolve))
}

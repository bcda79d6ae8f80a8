// What the timeline and the story show: when which line was in which state, and what went over it.
import type { EventStreamStatus } from 'tidings'
import { onScopeDispose, shallowReactive } from 'vue'

/** A stretch of time in one state; the one under way has no end yet. */
export interface Span {
  key: number
  status: EventStreamStatus
  from: number
  to?: number
}

/** An event: sent by the server then, got by the page now. */
export interface Dot {
  key: number
  at: number
  sentAt?: number
  label?: string
  custom?: boolean
}

export interface Tick {
  key: number
  at: number
  label: string
}

/** Milliseconds a lane remembers: more than the widest screen shows. */
const memory = 90_000

let keys = 0

function remember<T extends { at?: number; to?: number }>(list: T[], item: T): void {
  const horizon = Date.now() - memory
  while (list[0] && (list[0].to ?? list[0].at ?? horizon) < horizon) list.shift()
  list.push(item)
}

/** One connection's history. */
export class Lane {
  readonly spans: Span[] = shallowReactive([])
  readonly dots: Dot[] = shallowReactive([])
  readonly ticks: Tick[] = shallowReactive([])

  get status(): EventStreamStatus {
    return this.spans.at(-1)?.status ?? 'idle'
  }

  enter(status: EventStreamStatus): void {
    const current = this.spans.at(-1)
    if (current?.status === status) return
    const now = Date.now()
    if (current) this.spans[this.spans.length - 1] = { ...current, to: now }
    keys += 1
    remember(this.spans, { key: keys, status, from: now })
  }

  /** Reads a state that no event announces, such as the end of a wait, while its scope lives. */
  follow(status: () => EventStreamStatus): void {
    const read = () => this.enter(status())
    read()
    const timer = setInterval(read, 50)
    onScopeDispose(() => {
      clearInterval(timer)
      read()
    })
  }

  dot(dot: Omit<Dot, 'key' | 'at'> = {}): void {
    keys += 1
    remember(this.dots, { ...dot, key: keys, at: Date.now() })
  }

  tick(label: string): void {
    keys += 1
    remember(this.ticks, { key: keys, at: Date.now(), label })
  }
}

/** The life of one access token. */
export interface TokenLife {
  key: number
  from: number
  to: number
}

export const feedLane = new Lane()
export const answerLane = new Lane()
export const tokenLives: TokenLife[] = shallowReactive([])

export function tokenIssued(expiresAt: number): void {
  keys += 1
  remember(tokenLives, { key: keys, from: Date.now(), to: expiresAt })
}

export type Mood = 'good' | 'wait' | 'bad' | 'token'

export interface Line {
  key: number
  at: number
  mood: Mood
  text: string
}

/** The last things that happened, newest first, in words. */
export const story: Line[] = shallowReactive([])

/** Tells a line of the story. What it returns rewrites that line. */
export function tell(mood: Mood, text: string): (text: string) => void {
  keys += 1
  const key = keys
  story.unshift({ key, at: Date.now(), mood, text })
  if (story.length > 4) story.pop()
  return (rewritten) => {
    const index = story.findIndex((line) => line.key === key)
    const line = story[index]
    if (line) story[index] = { ...line, text: rewritten }
  }
}

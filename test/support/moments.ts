import type { Answer } from './fetch'
import { type AnyOptions, status } from './play'
import { live, stream } from './response'

export const never = () => new Promise<never>(() => {})

/** A moment of a stream's life: what it takes to get there, and what the stream says there. */
export interface Moment {
  readonly answer: () => Answer
  readonly options: AnyOptions
  readonly at: string
}

export const moments: Record<string, Moment> = {
  'the gate is shut': { answer: () => 'silence', options: { gate: never }, at: 'waiting' },
  'headers are being made': {
    answer: () => 'silence',
    options: { headers: never },
    at: 'connecting',
  },
  'the body is being made': {
    answer: () => 'silence',
    options: { method: 'POST', body: never },
    at: 'connecting',
  },
  'the request is pending': {
    answer: () => 'silence',
    options: { connectTimeout: 5000 },
    at: 'connecting',
  },
  'accept is pending': { answer: () => stream([]), options: { accept: never }, at: 'connecting' },
  'onOpen is pending': { answer: () => stream([]), options: { onOpen: never }, at: 'connecting' },
  'a refused body is being read': {
    answer: () => new Response(live().response.body, { status: 404 }),
    options: {},
    at: 'connecting',
  },
  'the stream is open': {
    answer: () => live().response,
    options: { idleTimeout: 5000 },
    at: 'open',
  },
  'decode is pending': {
    answer: () => stream(['id: 1\ndata: 1\n\n'], 'stall'),
    options: { decode: never },
    at: 'open',
  },
  'decode of an unfinished last block is pending': {
    answer: () => stream(['event: x\ndata: 1\n']),
    options: { decode: never, until: () => true },
    at: 'open',
  },
  'the stream waits': { answer: () => status(503), options: {}, at: 'waiting' },
  'a policy is deciding': { answer: () => status(503), options: { retry: never }, at: 'waiting' },
}

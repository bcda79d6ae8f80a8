import { getEventListeners } from 'node:events'
import fc from 'fast-check'
import { SseError } from '../../src/errors'
import { EventSource } from '../../src/faces/event-source'
import { type EventStream, type EventsOptions, events } from '../../src/faces/events'
import { fetchEventSource } from '../../src/faces/fetch-event-source'
import { dedupe } from '../../src/parts/dedupe'
import { Clock, quiet } from './clock'

/** How many events the server has. */
const COUNT = 12
const encoder = new TextEncoder()

/** What the server does with one request. */
interface Attempt {
  /** Milliseconds before it answers. */
  readonly wait: number
  readonly answer: 'open' | 'reject' | 'refuse' | 'html' | number
  /** Seconds, as a header. */
  readonly retryAfter: number
  /** Milliseconds, as a field. */
  readonly retry: number
  /** Events sent again on a resume. */
  readonly replay: number
  readonly events: number
  /** Bytes of the next event. */
  readonly cut: number
  /** Bytes a chunk. */
  readonly chunk: number
  /** Milliseconds before each chunk. */
  readonly gap: number
  readonly end: 'end' | 'error' | 'stall'
}

/** What the consumer does, and when: at its n-th event, at the server's n-th move, or at a time. */
interface Action {
  readonly at: 'event' | 'move' | 'time'
  readonly when: number
  /** Microtasks to let pass first; 0 for at once. */
  readonly ticks: number
  readonly does: 'reconnect' | 'fail' | 'close' | 'throw' | 'abort' | 'sleep' | 'release'
}

export interface SessionCase {
  readonly face: 'events' | 'batches' | 'EventSource' | 'fetchEventSource'
  readonly method: 'GET' | 'POST'
  readonly ids: boolean
  readonly refreshable: boolean
  readonly retry: 'none' | 'near' | 'few' | 'false'
  readonly onEnd: 'default' | 'reconnect' | 'complete'
  readonly resume: 'none' | 'same' | 'function'
  /** By promises. */
  readonly decodes: boolean
  readonly gated: boolean
  readonly connectTimeout: number
  readonly idleTimeout: number
  readonly dedupe: boolean
  /** A `fetch` that does not heed its signal. */
  readonly deaf: boolean
  readonly attempts: readonly Attempt[]
  readonly actions: readonly Action[]
}

const attempt: fc.Arbitrary<Attempt> = fc.record({
  wait: fc.constantFrom(0, 0, 10, 100),
  answer: fc.oneof(
    { weight: 6, arbitrary: fc.constant('open' as const) },
    {
      weight: 3,
      arbitrary: fc.constantFrom<Attempt['answer']>('reject', 'refuse', 401, 429, 503, 500, 408),
    },
    { weight: 1, arbitrary: fc.constantFrom<Attempt['answer']>('html', 204, 403, 404) },
  ),
  retryAfter: fc.constantFrom(0, 0, 5, 100),
  retry: fc.constantFrom(0, 0, 1, 2500),
  replay: fc.nat(3),
  events: fc.nat(5),
  cut: fc.constantFrom(0, 0, 1, 3, 6, 10, 14, 16),
  chunk: fc.constantFrom(1, 7, 30, 1000, 1000),
  gap: fc.constantFrom(0, 0, 10, 100),
  end: fc.constantFrom('end', 'error', 'stall'),
})
const action: fc.Arbitrary<Action> = fc.record({
  at: fc.constantFrom('event', 'move', 'time'),
  when: fc.oneof(fc.nat(12), fc.nat(3000)),
  ticks: fc.nat(20),
  does: fc.oneof(
    {
      weight: 8,
      arbitrary: fc.constantFrom(
        'reconnect' as const,
        'close',
        'throw',
        'fail',
        'sleep',
        'release',
      ),
    },
    { weight: 1, arbitrary: fc.constant('abort' as const) },
  ),
})
const sessionCase: fc.Arbitrary<SessionCase> = fc.record({
  face: fc.constantFrom('events', 'batches', 'EventSource', 'fetchEventSource'),
  method: fc.constantFrom('GET', 'GET', 'POST'),
  ids: fc.boolean(),
  refreshable: fc.boolean(),
  retry: fc.constantFrom('none', 'none', 'near', 'few', 'false'),
  onEnd: fc.constantFrom('default', 'default', 'reconnect', 'complete'),
  resume: fc.constantFrom('none', 'none', 'same', 'function'),
  decodes: fc.boolean(),
  gated: fc.boolean(),
  connectTimeout: fc.constantFrom(0, 50),
  idleTimeout: fc.constantFrom(0, 50),
  dedupe: fc.boolean(),
  deaf: fc.boolean(),
  attempts: fc.array(attempt, { maxLength: 6 }),
  actions: fc.array(action, { maxLength: 4 }),
})

const RETRY: Record<SessionCase['retry'], EventsOptions['retry']> = {
  none: undefined,
  near: { delay: 1, jitter: 0 },
  few: { delay: 1, maxRetries: 2 },
  false: false,
}
/** The answers that end a stream. */
const FINAL: readonly unknown[] = [204, 403]
/** The answers that end a stream that was never open; else five in a row are borne. */
const STRAYS: readonly unknown[] = ['html', 404]
const MOST_STEPS = 2000

/** What the server does when the script is over: it sends the rest. */
const REST: Attempt = {
  wait: 0,
  answer: 'open',
  retryAfter: 0,
  retry: 0,
  replay: 0,
  events: COUNT,
  cut: 0,
  chunk: 1000,
  gap: 0,
  end: 'end',
}

interface Request {
  readonly signal: AbortSignal
  /** The consumer caused it itself. */
  readonly asked: boolean
  answer: Attempt['answer'] | undefined
  /** The server has said that it has not acted. */
  unacted: boolean
  /** Its body ended, and well. */
  complete: boolean
}

/** The server of one case and what it expects of its client; whatever happens is told in `story`. */
class World {
  readonly clock = new Clock()
  readonly story: string[] = []
  readonly requests: Request[] = []
  received = 0
  /** How many more events may come. */
  left = Number.POSITIVE_INFINITY
  /** Called when the server does something, with how often it has. */
  onMove: ((count: number) => void) | undefined
  /** The consumer is the cause of the next request. */
  asked = true
  /** The machine, or a gate, may be. */
  letGo = false
  /** An event has come, so a response was accepted, and the stream is not complete since. */
  begun = false
  failure: Error | undefined
  /** How many bodies are open. */
  open = 0
  /** The server's word on when the next request may come at the earliest. */
  #notBefore = 0
  #reconnectionTime = 0
  #moves = 0

  constructor(readonly is: SessionCase) {}

  move(what: string): void {
    this.tell(what)
    this.onMove?.(++this.#moves)
  }

  tell(what: string): void {
    this.story.push(`${this.clock.now - Clock.START} ms: ${what}`)
  }

  /** What must not be. The first one counts: what follows may be its consequence. */
  fail(message: string): void {
    this.failure ??= new Error([message, ...this.story].join('\n  '))
  }

  /** Takes an event from the consumer's hands. */
  receive(data: string, id: string): void {
    this.tell(`event ${data}`)
    if (--this.left < 0) this.fail('An event after the stop')
    this.received++
    this.begun = true
    if (!this.is.ids) return
    const due = this.received
    if (data !== `${due}☃` || id !== `${due}`) this.fail(`Expected event ${due}, got this`)
  }

  readonly fetch = (url: unknown, init: RequestInit = {}): Promise<Response> => {
    const { is } = this
    const signal = init.signal as AbortSignal
    const id = new Headers(init.headers).get('last-event-id') ?? ''
    const attempt = this.is.attempts[this.requests.length]
    this.tell(`request ${this.requests.length + 1}, after ${id || 'nothing'}`)
    if (signal.aborted) this.fail('A request that is aborted already')
    if (this.requests.some(({ signal }) => !signal.aborted)) this.fail('Two connections at once')
    if (is.ids && Number(id) !== this.received) this.fail('A wrong resume point')
    if (is.face !== 'fetchEventSource') {
      const goesOn = `${url}`.includes('after')
      if (goesOn && is.resume !== 'function') this.fail('A request of another stream')
      if (!goesOn && is.resume === 'function' && this.begun) this.fail('Begun again')
      if (goesOn ? init.method !== 'GET' : init.method !== is.method) this.fail('Another method')
      if (!this.asked) this.#allow()
    }
    this.#notBefore = 0
    const request: Request = {
      signal,
      asked: this.asked,
      answer: undefined,
      unacted: false,
      complete: false,
    }
    this.requests.push(request)
    this.asked = this.letGo = false

    return new Promise((resolve, reject) => {
      if (!is.deaf) signal.addEventListener('abort', () => reject(signal.reason))
      this.clock.later(attempt?.wait ?? 0, () => {
        const answer = attempt?.answer ?? 'open'
        if (!signal.aborted) this.move(`answer ${answer}`)
        if (signal.aborted && !is.deaf) return
        // What comes too late counts for nothing.
        if (!signal.aborted) {
          request.answer = answer
          request.unacted =
            answer === 'refuse' ||
            answer === 429 ||
            (typeof answer === 'number' && answer > 404 && (attempt?.retryAfter ?? 0) > 0)
        }
        if (answer === 'reject') reject(new TypeError('fetch failed'))
        else if (answer === 'refuse') {
          const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })
          reject(new TypeError('fetch failed', { cause }))
        } else resolve(this.#respond(attempt, request, Number(id)))
      })
    })
  }

  /** How many of the last requests, since the consumer asked for one, went so. */
  #inRow(went: (request: Request) => boolean): number {
    let count = 0
    for (const request of [...this.requests].reverse()) {
      if (!went(request)) break
      count++
      if (request.asked) break
    }
    return count
  }

  /** Whether a request that the consumer did not cause may come now, and at all. */
  #allow(): void {
    const { is } = this
    const last = this.requests.at(-1) as Request
    const { answer } = last
    const wasOpen = this.requests.some(({ answer }) => answer === 'open')
    const repeatable =
      is.method === 'GET' || is.resume === 'same' || (is.resume === 'function' && wasOpen)
    // What may not be repeated is left alone, so a reason for it is looked for.
    if (this.letGo && repeatable) return
    const refusals = this.#inRow(({ answer }) => answer === 401)
    const refreshed = is.refreshable && refusals > 0 && refusals <= 2
    const atOnce = refreshed && refusals === 1
    if (this.clock.now < this.#notBefore && !atOnce) this.fail('Sooner than the server asked')
    if (is.retry === 'false' && !atOnce) this.fail('Retried in spite of retry: false')
    if (answer === 401 && !refreshed) this.fail('Retried a 401 with the same headers')
    if (FINAL.includes(answer)) this.fail(`Retried after ${answer}`)
    const strays = this.#inRow(({ answer }) => STRAYS.includes(answer))
    if (strays > (wasOpen && repeatable ? 5 : 0)) this.fail(`Retried after ${answer}`)
    if (last.complete && is.onEnd === 'complete') this.fail('Reconnected in spite of onEnd')
    if (last.complete && is.method === 'POST' && is.onEnd !== 'reconnect') {
      this.fail('Reconnected after the end of a POST')
    }
    if (repeatable || refreshed) return
    const unacted = this.#inRow(({ unacted }) => unacted)
    if (unacted === 0 || unacted > 2) this.fail('A POST repeated unasked')
  }

  #respond(attempt: Attempt | undefined, request: Request, resumed: number): Response {
    const { is, clock } = this
    if (!attempt && (!is.ids || resumed === COUNT)) {
      request.answer = 204
      return new Response(null, { status: 204 })
    }
    const { answer, retryAfter, retry, replay, events, cut, chunk, gap, end } = attempt ?? REST
    if (typeof answer === 'number') {
      // The class of the standard knows of no Retry-After unless `retry` is given.
      const heeds = is.face !== 'EventSource' || is.retry !== 'none'
      if (heeds && retryAfter > 0 && !request.signal.aborted) {
        this.#notBefore = clock.now + retryAfter * 1000
      }
      const headers: HeadersInit = retryAfter > 0 ? { 'retry-after': `${retryAfter}` } : {}
      return new Response(null, { status: answer, headers })
    }
    const first = Math.max(1, resumed + 1 - (dedupes(is) && resumed > 0 ? replay : 0))
    const last = Math.min(COUNT, first - 1 + events)
    const field = retry > 0 ? `retry: ${retry}\n` : ''
    let wire = field
    for (let number = first; number <= last; number++) wire += this.#event(number)
    const part = encoder.encode(this.#event(last + 1)).subarray(0, last < COUNT ? cut : 0)
    // Whatever stands after the last blank line is the trace of a cut.
    const whole = part.length === 0 && (field === '' || first <= last)
    const bytes = Buffer.concat([encoder.encode(wire), part])

    let start = 0
    let held = true
    this.open++
    const release = () => {
      if (held) this.open--
      held = false
    }
    const { signal } = request
    const body = new ReadableStream<Uint8Array>(
      {
        start(controller) {
          if (is.deaf) return
          signal.addEventListener('abort', () => {
            if (held) controller.error(signal.reason)
            release()
          })
        },
        pull: (controller) =>
          new Promise<void>((resolve) => {
            clock.later(gap, () => {
              if (!held) return
              if (start < bytes.length) {
                this.move('chunk')
                if (!held) return
                controller.enqueue(bytes.subarray(start, start + chunk))
                start += chunk
                if (answer === 'open' && start >= field.length && retry > 0) {
                  this.#reconnectionTime = retry
                }
                return resolve()
              }
              this.move(end)
              if (end === 'stall' || !held) return
              release()
              this.#notBefore = clock.now + this.#reconnectionTime
              request.complete = answer === 'open' && end === 'end' && whole
              if (end === 'end') controller.close()
              else controller.error(new TypeError('terminated'))
              resolve()
            })
          }),
        cancel: release,
      },
      { highWaterMark: 0 },
    )
    const type = answer === 'html' ? 'text/html' : 'text/event-stream'
    return new Response(body, { headers: { 'content-type': type } })
  }

  #event(number: number): string {
    return `${this.is.ids ? `id: ${number}\n` : ''}data: ${number}☃\n\n`
  }
}

/** All but the drop-in can pass over what is sent again. */
function dedupes({ dedupe, face }: SessionCase): boolean {
  return dedupe && face !== 'fetchEventSource'
}

/** What the consumer can do to its stream. */
interface Consumer {
  reconnect(): void
  fail(reason: unknown): void
  /** What its gate has been given. */
  release?: () => void
  /** Stops, to begin again. */
  close(): void
  abort(reason: unknown): void
  isOver(): boolean
  status(): string
  /** What is left of it on signals that outlive it. */
  listeners(): number
}

const FAILURE = new Error('the consumer failed')

/** What is due with the event just received. */
function due(world: World, actions: Action[]): Action | undefined {
  const index = actions.findIndex(({ at, when }) => at === 'event' && when === world.received)
  return index < 0 ? undefined : actions.splice(index, 1)[0]
}

/** Does what an action says. */
async function act(world: World, { does, ticks }: Action, consumer: Consumer): Promise<void> {
  for (let tick = 0; tick < ticks; tick++) await undefined
  if (consumer.isOver()) return
  world.tell(does)
  if (does === 'sleep' || does === 'release') {
    world.letGo = true
    return does === 'sleep' ? world.clock.sleep(600_000) : consumer.release?.()
  }
  if (does !== 'abort') world.asked = true
  if (does === 'reconnect') return consumer.reconnect()
  if (does === 'fail') return consumer.fail(new Error('no good'))
  // What an iteration has handed over is on its way, and counts as delivered.
  const { face } = world.is
  world.left = ticks === 0 || /Source/.test(face) ? 0 : face === 'events' ? 1 : COUNT
  if (does === 'abort') consumer.abort(new Error('aborted'))
  else consumer.close()
}

function optionsOf(world: World, signal: AbortSignal, consumer: () => Consumer): EventsOptions {
  const { is } = world
  const reconnects = is.onEnd === 'reconnect' && (is.method === 'GET' || is.resume !== 'none')
  return {
    method: is.method,
    fetch: world.fetch,
    signal,
    retry: RETRY[is.retry],
    headers: is.refreshable ? () => ({ 'x-own': '1' }) : { 'x-own': '1' },
    onEnd: is.onEnd === 'complete' || reconnects ? (is.onEnd as 'complete') : undefined,
    resume:
      is.resume === 'function'
        ? ({ cursor }) => `?after=${cursor}`
        : is.resume === 'same'
          ? 'same'
          : undefined,
    skip: dedupes(is) ? dedupe(COUNT) : undefined,
    ...(is.decodes && { decode: async (data: string) => data }),
    ...(is.gated && {
      gate: async ({ release }) => {
        consumer().release = release
      },
    }),
    connectTimeout: is.connectTimeout || undefined,
    idleTimeout: is.idleTimeout || undefined,
  }
}

function iterate(world: World, actions: Action[]): Consumer {
  const { is } = world
  const control = new AbortController()
  const { signal } = control
  const stream: EventStream = events(
    URL,
    optionsOf(world, signal, () => consumer),
  )
  let over = false
  let again = true
  const consumer: Consumer = {
    reconnect: () => stream.reconnect(),
    fail: (reason) => stream.fail(reason),
    close() {
      again = true
      stream.close()
    },
    abort: (reason) => control.abort(reason),
    isOver: () => over,
    status: () => (stream.response ? 'open' : stream.status),
    listeners: () => getEventListeners(signal, 'abort').length,
  }
  const take = async (batch: readonly { data: string; lastEventId: string }[]) => {
    const dues: Action[] = []
    for (const { data, lastEventId } of batch) {
      world.receive(data, lastEventId)
      const action = due(world, actions)
      if (action) dues.push(action)
    }
    for (const action of dues) {
      if (action.does === 'throw') {
        world.asked = again = true
        throw FAILURE
      }
      act(world, action, consumer)
    }
  }
  const run = async () => {
    while (again && !signal.aborted) {
      again = false
      world.left = Number.POSITIVE_INFINITY
      try {
        if (is.face === 'events') for await (const event of stream) await take([event])
        else for await (const batch of stream.batches()) await take(batch)
        world.tell('done')
        world.begun = false
      } catch (error) {
        world.tell(`${error}`.split('\n')[0] as string)
        const known = error === FAILURE || error === signal.reason || error instanceof SseError
        if (!known) world.fail('A bare error')
      }
    }
    over = true
  }
  run()
  return consumer
}

function listen(world: World, actions: Action[]): Consumer {
  const control = new AbortController()
  const source = new EventSource(
    URL,
    optionsOf(world, control.signal, () => consumer),
  )
  let reopens = false
  const reconnect = () => {
    reopens = false
    if (!control.signal.aborted) world.left = Number.POSITIVE_INFINITY
    source.reconnect()
  }
  const consumer: Consumer = {
    reconnect,
    fail: (reason) => source.fail(reason),
    close() {
      source.close()
      reopens = true
      world.clock.later(5, () => {
        if (!reopens) return
        world.asked = true
        reconnect()
      })
    },
    abort: (reason) => control.abort(reason),
    isOver: () => source.readyState === 2 && !reopens,
    status: () => source.status,
    listeners: () => getEventListeners(control.signal, 'abort').length,
  }
  source.onmessage = ({ data, lastEventId }) => {
    world.receive(data, lastEventId)
    const action = due(world, actions)
    if (action?.does === 'throw') {
      // A throw here is the process's affair: it closes and reopens instead.
      world.tell('reopen')
      world.asked = true
      source.close()
      reconnect()
    } else if (action) act(world, action, consumer)
  }
  source.onerror = ({ error }) => {
    world.tell(`${source.readyState}: ${error}`)
    // It may be complete.
    if (source.readyState === 2) world.begun = false
  }
  return consumer
}

function call(world: World, actions: Action[]): Consumer {
  const { is } = world
  let control = new AbortController()
  let over = false
  let again = true
  let ended: unknown
  let listeners = 0
  const close = () => {
    again = true
    control.abort()
  }
  const consumer: Consumer = {
    reconnect: close,
    fail: close,
    close,
    abort(reason) {
      ended = reason
      control.abort(reason)
    },
    isOver: () => over,
    status: () => 'closed',
    listeners: () => listeners,
  }
  const run = async () => {
    while (again && !ended) {
      again = false
      world.left = Number.POSITIVE_INFINITY
      control = new AbortController()
      const { signal } = control
      let failures = 0
      const { method, fetch, headers } = optionsOf(world, signal, () => consumer)
      await fetchEventSource(URL, {
        method,
        fetch: fetch as typeof globalThis.fetch,
        signal,
        headers:
          typeof headers === 'function' && world.received === 0
            ? headers
            : { 'last-event-id': is.ids && world.received > 0 ? `${world.received}` : '' },
        onmessage({ data, id }) {
          world.receive(data, id)
          const action = due(world, actions)
          if (action?.does === 'throw') throw FAILURE
          if (action) act(world, action, consumer)
        },
        onclose() {
          if (is.onEnd !== 'complete') throw new Error('closed')
        },
        onerror(error) {
          world.tell(`onerror ${error}`.split('\n')[0] as string)
          if (++failures > 8 || is.retry === 'false') throw error
          return is.retry === 'near' ? 1 : undefined
        },
      }).catch(() => {})
      listeners += getEventListeners(signal, 'abort').length
    }
    over = true
  }
  run()
  return consumer
}

const URL = 'http://x/'
const FACES = { events: iterate, batches: iterate, EventSource: listen, fetchEventSource: call }

async function check(is: SessionCase): Promise<void> {
  const world = new World(is)
  const { clock } = world
  clock.install()
  try {
    const consumer = FACES[is.face](world, [...is.actions])
    world.onMove = (count) => {
      for (const action of is.actions) {
        if (action.at === 'move' && action.when === count) act(world, action, consumer)
      }
    }
    for (const action of is.actions) {
      if (action.at === 'time') clock.later(action.when, () => act(world, action, consumer))
    }
    for (let step = 0; !consumer.isOver(); step++) {
      await quiet()
      if (consumer.isOver() || world.failure) break
      if (step < MOST_STEPS && clock.advance()) continue
      // Nothing will happen by itself, or no end is to be seen.
      if (world.requests.every(({ signal }) => signal.aborted)) world.fail('Hung without a request')
      world.tell('the end of the run')
      world.left = 0
      consumer.abort(new Error('the end of the run'))
      await quiet()
      if (!consumer.isOver()) world.fail('Not settled by its abort')
    }
    consumer.abort(new Error('over'))
    await quiet()
    if (clock.timers.size + clock.intervals.size > 0) world.fail('A timer is left')
    if (consumer.status() !== 'closed') world.fail(`Over, and ${consumer.status()}`)
    if (consumer.listeners() > 0) world.fail('A listener is left')
    if (world.requests.some(({ signal }) => !signal.aborted)) world.fail('A request is left')
    // What a deaf fetch still brings must be let go of too.
    for (let step = 0; step < MOST_STEPS && clock.advance(); step++) await quiet()
    if (world.open > 0) world.fail('A body is left')
    if (world.failure) throw world.failure
  } finally {
    clock.uninstall()
  }
}

/** Any server, any interruptions: nothing is lost, doubled, repeated, hurried or left behind. */
export const session = {
  name: 'session',
  arbitrary: sessionCase,
  check,
  report: (is: SessionCase): string => `  ${JSON.stringify(is)},`,
}

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { SseError } from '../src/errors'
import type { Gate } from '../src/gate'
import type { ServerSentEvent } from '../src/parser'
import { Place } from '../src/place'
import {
  planSession,
  SessionControl,
  type SessionPlan,
  type Step,
  type StreamOptions,
  session,
} from '../src/session'
import { type Answer, answering } from './support/fetch'
import { live, stream } from './support/response'

const FEED = 'https://example.com/feed'

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(Math, 'random').mockReturnValue(0)
})
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
  vi.restoreAllMocks()
})

const settled = () => vi.advanceTimersByTimeAsync(0)
const status = (code: number) => new Response(null, { status: code })

type Events = { type: 'events'; events: ServerSentEvent<string, unknown>[] }

/** The steps, and what is read at them, as one story. */
async function* all(
  steps: ReturnType<typeof session<unknown>>,
): AsyncGenerator<Step<unknown> | Events, void, void> {
  let next = steps.next()
  try {
    for (let result = await next; !result.done; result = await next) {
      const step = result.value
      try {
        yield step
        if (step.type === 'open') {
          for (let events = await step.read(); events; events = await step.read()) {
            yield { type: 'events', events }
          }
        }
        next = steps.next()
      } catch (thrown) {
        next = steps.throw(thrown)
      }
    }
  } finally {
    await steps.return()
  }
}

function tell(step: Step<unknown> | Events): string {
  switch (step.type) {
    case 'events':
      return `events:${step.events.map(({ data }) => data).join()}`
    case 'waiting':
      return `waiting:${step.error?.code ?? 'end'}:${step.delay}:${step.attempt}`
    default:
      return step.type
  }
}

function prepare(
  answers: Answer[],
  options: StreamOptions<unknown> = {},
  extra: Partial<SessionPlan<unknown>> = {},
) {
  const story: string[] = []
  const { fetch, requests } = answering(...answers)
  const plan = { ...planSession(FEED, { fetch, ...options }), ...extra }
  const control = new SessionControl()
  const place = new Place(options.lastEventId)
  const steps = all(session(plan, place, control))
  const run = async () => {
    try {
      for await (const step of steps) {
        story.push(tell(step))
        if (step.type === 'events') for (const event of step.events) place.deliver(event)
      }
      story.push('done')
    } catch (error) {
      story.push(`throws:${Object(error).code ?? error}`)
    }
  }
  return { story, requests, control, place, steps, run }
}

describe('the steps', () => {
  test('of a stream that is cut and resumed, then ended', async () => {
    const { story, run } = prepare([
      stream(['data: 1\n\ndata: 2\n\n', 'data: 3\n\n'], new TypeError('terminated')),
      status(503),
      stream(['data: 4\n\n']),
      status(404),
    ])
    const ran = run()
    await vi.advanceTimersByTimeAsync(60_000)
    await ran
    expect(story).toEqual([
      'connecting',
      'open',
      'events:1,2',
      'events:3',
      'waiting:network:1000:1',
      'connecting',
      'waiting:status:2000:2',
      'connecting',
      'open',
      'events:4',
      'waiting:end:1000:3',
      'connecting',
      'throws:status',
    ])
  })

  test('of an attempt that is answered at once have no wait', async () => {
    const { story, run } = prepare([status(401), status(404)], { headers: () => ({}) })
    await run()
    expect(story).toEqual(['connecting', 'connecting', 'throws:status'])
  })

  test('have no empty batch', async () => {
    const { story, run } = prepare([stream(['data: end\n\n'])], { until: 'end' })
    await run()
    expect(story).toEqual(['connecting', 'open', 'done'])
  })
})

describe('the control', () => {
  test('is aborted when the session ends, whatever way', async () => {
    const ends: [Answer[], StreamOptions<unknown>][] = [
      [[stream([])], { onEnd: 'complete' }],
      [[status(404)], {}],
      [[status(204)], {}],
    ]
    for (const [answers, options] of ends) {
      const { control, run } = prepare(answers, options)
      await run()
      expect(control.stop.signal.aborted).toBe(true)
    }
  })

  test.each(['connecting', 'open', 'events'])('return() at %s frees everything', async (at) => {
    const body = live()
    const { steps, control, requests } = prepare([body.response], { idleTimeout: 5000 })
    body.write('data: 1\n\n')
    for (;;) {
      const { value } = await steps.next()
      if (value?.type === at) break
    }
    await steps.return()
    expect(control.stop.signal.aborted).toBe(true)
    for (const { signal } of requests) expect(signal?.aborted).toBe(true)
    if (at !== 'connecting') await body.cancelled
  })
})

describe('the place', () => {
  test('moves with what is delivered, and past the batch when the next one is asked for', async () => {
    const { steps, place } = prepare([stream(['id: 1\ndata: 1\n\nid: 2\ndata: 2\n\nid: 3\n\n'])])
    const seen: string[] = []
    for (let asked = 0; asked < 4; asked++) {
      const { value } = await steps.next()
      if (value?.type === 'events') {
        seen.push(place.lastEventId)
        for (const event of value.events) {
          place.deliver(event)
          seen.push(place.lastEventId)
        }
      }
    }
    seen.push(place.lastEventId)
    await steps.return()
    expect(seen).toEqual(['', '1', '2', '3'])
  })
})

describe('what a face may throw into it', () => {
  test('is judged like a failure of the connection', async () => {
    const { steps, requests } = prepare([stream(['data: 1\n\n'], 'stall')], { retry: () => 5 })
    const story: unknown[] = []
    for (const throws of [false, false, false, true]) {
      const { value } = await (throws ? steps.throw(new SseError('refused', '')) : steps.next())
      story.push(value && tell(value))
    }
    expect(story).toEqual(['connecting', 'open', 'events:1', 'waiting:refused:5:1'])
    expect(requests[0]?.signal?.aborted).toBe(true)
    await steps.return()
  })

  const failure = new RangeError('of the caller')

  test('ends the session where it is no SseError', async () => {
    const { run, story } = prepare([], { json: () => Promise.reject(failure), retry: () => 0 })
    await run()
    expect(story).toEqual(['connecting', `throws:${failure}`])
  })

  test('is what the wrap hook makes of it, where a face has one', async () => {
    const wrap = (cause: unknown) => new SseError('refused', '', { cause })
    const causes: unknown[] = []
    const { run, story } = prepare(
      [],
      {
        json: () => Promise.reject(failure),
        retry: ({ error }) => {
          causes.push(error?.cause)
          return false
        },
      },
      { hooks: { wrap } },
    )
    await run()
    expect(causes).toEqual([failure])
    expect(story).toEqual(['connecting', 'throws:refused'])
  })
})

describe('the gate', () => {
  /** A gate that the test opens and shuts. */
  function gate() {
    const waits: ((held: boolean) => void)[] = []
    let interrupt!: Parameters<Gate>[1]
    const hook: Gate = (_signal, shut) => {
      interrupt = shut
      return new Promise((resolve) => waits.push(resolve))
    }
    return {
      hook,
      waits,
      open: () => waits.splice(0).map((pass) => pass(true)),
      /** As a gate does that is open already. */
      pass: () => waits.splice(0).map((pass) => pass(false)),
      shut: () => interrupt('closed'),
    }
  }

  test('holds the attempt up, and what is told of it', async () => {
    const { hook, open } = gate()
    const { run, story, requests } = prepare([status(404)], {}, { hooks: { gate: hook } })
    const ran = run()
    await settled()
    expect([...story, requests.length]).toEqual(['connecting', 0])
    open()
    await ran
    expect(story).toEqual(['connecting', 'throws:status'])
  })

  test('that shuts drops the connection; the next one is made when it opens, without a wait', async () => {
    const { hook, open, shut } = gate()
    const body = live()
    const { run, story, control, requests } = prepare(
      [body.response, 'silence'],
      {},
      { hooks: { gate: hook } },
    )
    const ran = run()
    await settled()
    open()
    await settled()
    shut()
    await body.cancelled
    await vi.advanceTimersByTimeAsync(60_000)
    expect([...story, requests.length]).toEqual(['connecting', 'open', 'connecting', 1])
    open()
    await settled()
    expect(requests.length).toBe(2)
    control.stop.abort('stop')
    await ran
  })

  test('that shuts in a wait lets it run on, and is asked again after it', async () => {
    const { hook, open, pass, shut } = gate()
    const failing = new TypeError('fetch failed')
    const { run, story, control, requests } = prepare([failing], {}, { hooks: { gate: hook } })
    const ran = run()
    await settled()
    open()
    await settled()
    pass()
    await settled()
    expect(story).toEqual(['connecting', 'waiting:network:1000:1'])
    shut()
    await vi.advanceTimersByTimeAsync(60_000)
    expect([...story.slice(2), requests.length]).toEqual([1])
    open()
    await settled()
    expect([...story.slice(2), requests.length]).toEqual(['connecting', 2])
    control.stop.abort('stop')
    await ran
  })

  test('holds up no end', async () => {
    const { run, story, control, requests } = prepare([], {}, { hooks: { gate: gate().hook } })
    const ran = run()
    await settled()
    control.stop.abort('stop')
    await ran
    expect([...story, requests.length]).toEqual(['connecting', 'throws:stop', 0])
  })

  test('holds up no reconnect() either, but is asked again', async () => {
    const { hook, waits, open } = gate()
    const { run, control } = prepare([], {}, { hooks: { gate: hook } })
    const ran = run()
    await settled()
    control.reconnect()
    await settled()
    expect(waits.length).toBe(2)
    open()
    control.stop.abort('stop')
    await ran
  })
})

describe('the defaults of a face', () => {
  const retryDefaults = { delay: 7, factor: 1, statuses: [] }

  test('stand where the caller passed no retry', async () => {
    const failing = () => new TypeError('fetch failed')
    const { run, story } = prepare([failing(), failing(), status(503)], {}, { retryDefaults })
    const ran = run()
    await vi.advanceTimersByTimeAsync(14)
    await ran
    expect(story).toEqual([
      'connecting',
      'waiting:network:7:1',
      'connecting',
      'waiting:network:7:2',
      'connecting',
      'throws:status',
    ])
  })

  test('give way to the options of the caller, all of them', async () => {
    const { run, story } = prepare(
      [status(503), status(503)],
      { retry: { maxRetries: 1 } },
      { retryDefaults },
    )
    const ran = run()
    await vi.advanceTimersByTimeAsync(1000)
    await ran
    expect(story).toEqual(['connecting', 'waiting:status:1000:1', 'connecting', 'throws:status'])
  })
})

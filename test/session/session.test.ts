import { describe, expect, test, vi } from 'vitest'
import { SseError } from '../../src/errors'
import { Cursor } from '../../src/session/cursor'
import { planStream } from '../../src/session/plan'
import { type AnySession, Session, type SessionPlan } from '../../src/session/session'
import { type Answer, answering } from '../support/fetch'
import {
  type AnyOptions,
  FEED,
  failureOf,
  ownTheClock,
  reset,
  settled,
  status,
} from '../support/play'
import { live, stream } from '../support/response'

// What a face sees of a session.

ownTheClock()

const END = Symbol('end')

/** A session as a face makes one, which hands over the data of each event. */
function prepare(answers: Answer[], options: AnyOptions = {}, extra: Partial<SessionPlan> = {}) {
  const { fetch, requests } = answering(...answers)
  const plan: SessionPlan = {
    ...planStream(FEED, { fetch, ...options } as never, 1000, {} as never),
    ...extra,
  }
  const cursor = new Cursor(options.lastEventId, !!options.cursor)
  const session: Session<string | typeof END> = new Session<string | typeof END>(
    plan,
    cursor,
    (own) => plan._take(own)?.data,
    END,
  )
  return { session, cursor, requests }
}

/** What `changed` is told, with all that a face shows of it. */
function told(session: AnySession): string {
  const { status, retryAt, error, response, failures, attempt, _over: over } = session
  const line = [status, `#${attempt}`]
  if (retryAt !== undefined) line.push(`in ${retryAt - Date.now()}`)
  if (failures) line.push(`failures ${failures}`)
  if (error) line.push(error.code)
  if (response) line.push(`response ${response.status}`)
  if (over) line.push(`over ${over.reason}`)
  return line.join(' ')
}

describe('changed', () => {
  test('is called at each transition, when the state is whole', async () => {
    const story: string[] = []
    const changed = (own: AnySession) => void story.push(told(own))
    const answers = [
      status(503),
      stream(['data: 1\n\ndata: 2\n\n'], reset()),
      stream(['data: 3\n\n']),
      status(403),
    ]
    const { session } = prepare(answers, {}, { changed })
    const pull = async () => {
      for (let data = await session.next(); data !== END; data = await session.next()) {
        story.push(String(data))
      }
    }
    const failed = failureOf(pull())
    await vi.advanceTimersByTimeAsync(10_000)
    expect(await failed).toMatchObject({ status: 403 })
    expect(story).toEqual([
      'connecting #0',
      'waiting #1 in 1000 failures 1 status',
      'connecting #2 failures 1 status',
      'open #2 failures 1 response 200',
      '1',
      '2',
      'waiting #2 in 1000 failures 1 network',
      'connecting #3 failures 1 network',
      'open #3 failures 1 response 200',
      '3',
      'waiting #3 in 1000 failures 1',
      'connecting #4 failures 1',
      'closed #4 failures 2 status over failed',
    ])
  })

  test('tells of a policy that thinks, and of a gate that is shut: waiting, without a time', async () => {
    const story: string[] = []
    const changed = (own: AnySession) => void story.push(told(own))
    let shut: (() => void) | undefined
    const { session } = prepare(
      [status(503)],
      {
        retry: async () => 5,
        gate: () => new Promise<void>((resolve) => (shut = resolve)),
      },
      { changed },
    )
    const next = session.next()
    await settled()
    shut?.()
    await vi.advanceTimersByTimeAsync(5)
    session.close()
    await next
    expect(story).toEqual([
      'connecting #0',
      'waiting #0',
      'connecting #1',
      'waiting #1 failures 1 status',
      'waiting #1 in 5 failures 1 status',
      'waiting #1 failures 1 status',
      'closed #1 failures 1 status over closed',
    ])
  })

  test('is called in the turn of the call that leads to it', async () => {
    const story: string[] = []
    const changed = (own: AnySession) => void story.push(own.status)
    const { session } = prepare([live().response, live().response], {}, { changed })
    const next = session.next()
    await settled()
    for (const act of ['reconnect', 'fail', 'reconnect', 'close'] as const) {
      session[act]('x')
      story.push(`after ${act}`)
      await settled()
    }
    await next
    expect(
      story.filter((_, at) => story[at + 1]?.startsWith('after') || story[at]?.startsWith('after')),
    ).toEqual([
      ...['connecting', 'after reconnect', 'waiting', 'after fail'],
      ...['connecting', 'after reconnect', 'closed', 'after close'],
    ])
  })

  test('that calls back is heard: close() and reconnect() in it', async () => {
    for (const at of ['connecting', 'open', 'waiting']) {
      const seen: string[] = []
      const { session, requests } = prepare(
        [stream(['data: 1\n\n'], reset())],
        {},
        {
          changed: (own) => {
            seen.push(own.status)
            if (own.status === at) own.close()
          },
        },
      )
      const results = [await session.next(), await session.next(), await session.next()]
      expect(results.at(-1)).toBe(END)
      expect([session.status, seen.at(-1), seen.filter((s) => s === 'closed').length]).toEqual([
        ...['closed', 'closed', 1],
      ])
      expect(requests.length).toBe(at === 'connecting' ? 0 : 1)
    }
    let times = 0
    const { session, requests } = prepare(
      [status(503), live().response],
      {},
      {
        changed: (own) => {
          if (own.status === 'waiting' && ++times === 1) own.reconnect()
        },
      },
    )
    const next = session.next()
    await settled()
    expect([session.status, requests.length]).toEqual(['open', 2])
    session.close()
    await next
  })
})

describe('over', () => {
  test.each<[string, Answer[], AnyOptions, string]>([
    ['complete, by a clean end', [stream([])], { onEnd: 'complete' }, 'complete'],
    ['complete, by its terminal event', [stream(['data: x\n\n'])], { until: 'x' }, 'complete'],
    ['complete, by a policy at a clean end', [stream([])], { retry: () => false }, 'complete'],
    ['no-content', [status(204)], {}, 'no-content'],
    ['failed', [status(403)], {}, 'failed'],
    ['aborted', [stream([])], { signal: AbortSignal.abort('why') }, 'aborted'],
  ])('says once and for all why it ended: %s', async (_, answers, options, reason) => {
    const { session } = prepare(answers, options)
    const result = await session.next().catch((error: unknown) => ({ error }))
    expect(session._over?.reason).toBe(reason)
    if (session._over && 'error' in session._over)
      expect(result).toEqual({ error: session._over.error })
    else expect(result).toBe(END)
    const { _over: over } = session
    session.close()
    session.reconnect()
    session.fail('x')
    expect(session._over).toBe(over)
    expect(await session.next()).toBe(END)
  })

  test('closed, whenever', async () => {
    const { session } = prepare(['silence'])
    const next = session.next()
    await settled()
    session.close()
    expect(session._over).toEqual({ reason: 'closed' })
    expect(await next).toBe(END)
  })
})

describe('wrap', () => {
  const failure = new RangeError('of the caller')

  test('without it, what is no SseError ends the session', async () => {
    const decide = vi.fn(() => 0)
    const { session } = prepare([stream([])], {
      idleTimeout: () => {
        throw failure
      },
      retry: decide,
    })
    expect(await failureOf(session.next())).toBe(failure)
    expect(decide).not.toHaveBeenCalled()
  })

  test('lets decide judge it', async () => {
    const causes: unknown[] = []
    const { session } = prepare(
      [stream([])],
      {
        idleTimeout: () => {
          throw failure
        },
        retry: ({ error }) => {
          causes.push(error?.cause)
          return false
        },
      },
      { wrap: (cause) => new SseError('refused', '', { cause }) },
    )
    expect(await failureOf(session.next())).toMatchObject({ code: 'refused', attempt: 1 })
    expect(causes).toEqual([failure])
  })
})

describe('hold()', () => {
  test('throws once what was taken is handed over', async () => {
    const { fetch } = answering(stream(['data: 1\n\ndata: 2\n\n']))
    const plan = planStream(FEED, { fetch } as never, 1000, {} as never)
    const thrown = new SseError('data', 'held')
    const session = new Session<string | undefined>(
      plan,
      new Cursor(),
      (own) => {
        const event = plan._take(own)
        if (event) own._hold(thrown)
        return event?.data
      },
      undefined,
    )
    expect(await session.next()).toBe('1')
    expect(await failureOf(session.next())).toBe(thrown)
    expect(await session.next()).toBe(undefined)
  })
})

describe('an attempt that is given up', () => {
  test('while its headers are made builds nothing more, and spends no body', async () => {
    let first = true
    const body = live().response.body
    const { session, requests } = prepare([stream(['data: 1\n\n'], 'stall')], {
      method: 'QUERY',
      body,
      connectTimeout: 500,
      headers: () => {
        if (!first) return {}
        first = false
        return new Promise(() => {})
      },
    })
    const next = session.next()
    await vi.advanceTimersByTimeAsync(1500)
    expect(await next).toBe('1')
    expect([session.attempt, requests.length]).toEqual([2, 1])
    session.close()
  })

  test('tells its functions so by its signal', async () => {
    const control = new AbortController()
    const signals: AbortSignal[] = []
    const { session } = prepare([], {
      signal: control.signal,
      headers: ({ signal }) => {
        signals.push(signal)
        return new Promise(() => {})
      },
    })
    const failed = failureOf(session.next())
    await settled()
    expect(signals[0]?.aborted).toBe(false)
    control.abort('enough')
    expect(await failed).toBe('enough')
    expect(signals[0]?.aborted).toBe(true)
  })
})

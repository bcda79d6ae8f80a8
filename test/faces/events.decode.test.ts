import { describe, expect, test, vi } from 'vitest'
import { SseError } from '../../src/errors'
import { type EventStream, events } from '../../src/faces/events'
import type { ServerSentEvent } from '../../src/parser/event'
import { answering, follow } from '../support/fetch'
import {
  type AnyOptions,
  FEED,
  failureOf,
  idOf,
  noContent,
  ownTheClock,
  play,
  prepare,
  reset,
  settled,
  stop,
  storyOf,
} from '../support/play'
import { live, stream } from '../support/response'

ownTheClock()

const chunk = (...ids: number[]) => ids.map((id) => `id: ${id}\ndata: ${id}\n\n`).join('')

/** A decode that answers when the test says so. */
function slow() {
  const asked: string[] = []
  const answers: ((value: unknown) => void)[] = []
  return {
    asked,
    answer: (value: unknown) => {
      answers.shift()?.(value)
      return settled()
    },
    decode: (data: string): unknown => {
      asked.push(data)
      return new Promise((resolve) => answers.push(resolve))
    },
  }
}

describe('decode', () => {
  test('makes data of the text, with the event at hand', async () => {
    const answer = stream(['data: {"a":1}\n\nevent: raw\nid: 7\ndata: x\n\n'])
    const { fetch } = answering(answer, noContent())
    const decoded: unknown[] = []
    const source = events(FEED, {
      fetch: (url, init) => fetch(url, init as RequestInit),
      onEnd: 'complete',
      decode: (data, { type, lastEventId }) =>
        type === 'raw' ? `${data}@${lastEventId}` : JSON.parse(data),
    })
    for await (const event of source) decoded.push(event)
    expect(decoded).toEqual([
      { type: 'message', data: { a: 1 }, lastEventId: '' },
      { type: 'raw', data: 'x@7', lastEventId: '7' },
    ])
  })

  test('may be an object with a decode, called on it', async () => {
    const decoder = {
      seen: 0,
      decode(data: string) {
        this.seen++
        return Number(data)
      },
    }
    expect(await storyOf([stream([chunk(1, 2)])], { decode: decoder, onEnd: 'complete' })).toEqual([
      ...['fetch', 'message:1', 'message:2', 'done'],
    ])
    expect(decoder.seen).toBe(2)
  })

  test('undefined leaves an event out, and its ID still counts; null, 0 and false are data', async () => {
    const values: Record<string, unknown> = { 1: undefined, 2: null, 3: 0, 4: false, 5: '' }
    for (const decode of [(data: string) => values[data], async (data: string) => values[data]]) {
      const { source } = prepare([stream([chunk(2, 3, 4, 5, 1)])], { decode, onEnd: 'complete' })
      const seen: unknown[] = []
      for await (const { data } of source) seen.push(data)
      expect(seen).toEqual([null, 0, false, ''])
      expect(source.lastEventId).toBe('1')
    }
  })

  test('that throws ends the stream with code data, after the events before it', async () => {
    const wire = 'id: 1\ndata: 1\n\nid: 2\nevent: "x"\ndata: {"secret\n\nid: 3\ndata: 3\n\n'
    const { source, story } = prepare([stream([wire])], { decode: JSON.parse })
    const seen: unknown[] = []
    const failure = await failureOf(
      (async () => {
        for await (const { data } of source) seen.push(data)
      })(),
    )
    expect(seen).toEqual([1])
    expect(failure).toMatchObject({
      code: 'data',
      attempt: 1,
      retriable: false,
      event: { type: '"x"', data: '{"secret', lastEventId: '2' },
    })
    expect(failure.cause).toBeInstanceOf(SyntaxError)
    expect(failure.message).not.toContain('secret')
    expect(story).toEqual(['fetch'])
  })

  test('that throws, or rejects, has had the event: a new iteration goes on after it', async () => {
    for (const decode of [
      (data: string) => {
        if (data === '2') throw new Error('bad')
        return data
      },
      async (data: string) => {
        if (data === '2') throw new Error('bad')
        return data
      },
    ]) {
      const { source, requests, story } = prepare(
        [stream([chunk(1, 2, 3)], 'stall'), stream([chunk(3)], 'stall')],
        { decode },
      )
      await follow(source, story)
      for await (const { data } of source) {
        story.push(data)
        break
      }
      expect(story).toEqual(['fetch', 'message:1', 'throws:data', 'fetch:2', '3'])
      expect(requests.map(idOf)).toEqual([null, '2'])
    }
  })

  test('that throws can be overruled by a policy, which goes on after the event', async () => {
    let calls = 0
    const story = await storyOf([stream([chunk(1, 2)]), noContent()], {
      retry: ({ delay, error }) => (error?.code === 'data' && delay === false ? 0 : false),
      decode: () => {
        if (++calls === 2) throw new SyntaxError()
        return 'decoded'
      },
    })
    expect(story).toEqual(['fetch', 'message:decoded', 'reconnect:data:0', 'fetch:2', 'done'])
  })

  test('that throws nothing at all is told all the same', async () => {
    for (const nothing of [undefined, null, 0, '']) {
      const decode = () => {
        throw nothing
      }
      const { source } = prepare([stream([chunk(1)])], { decode })
      const failure = await failureOf(source[Symbol.asyncIterator]().next())
      expect(failure).toMatchObject({ code: 'data', cause: nothing })
      expect('cause' in failure).toBe(true)
    }
  })
})

describe('an async decode', () => {
  test('holds no event before it up, one by one and in batches', async () => {
    const { decode, answer } = slow()
    const mixed = (data: string) => (data === '3' ? decode(data) : data)
    for (const lane of ['events', 'batches'] as const) {
      const { source } = prepare([stream([chunk(1, 2, 3, 4)], 'stall')], { decode: mixed })
      const iterator: AsyncIterator<unknown> =
        lane === 'events' ? source[Symbol.asyncIterator]() : source.batches()
      const seen: string[] = []
      const pull = async () => {
        const { value } = await iterator.next()
        seen.push(
          [value as ServerSentEvent]
            .flat()
            .map(({ data }) => data)
            .join(),
        )
      }
      await pull()
      if (lane === 'events') await pull()
      expect(seen.join()).toBe('1,2')
      const next = pull()
      await settled()
      expect(seen.join()).toBe('1,2')
      await answer('three')
      await next
      if (lane === 'events') await pull()
      expect(seen).toEqual(lane === 'events' ? ['1', '2', 'three', '4'] : ['1,2', 'three,4'])
      source.close()
    }
  })

  test('a batch ends where a promise begins', async () => {
    const decode = (data: string) => (Number(data) % 2 ? data : Promise.resolve(data))
    const { source } = prepare([stream([chunk(1, 2, 3, 4, 5, 6)])], { decode, onEnd: 'complete' })
    const batches: string[] = []
    for await (const batch of source.batches()) batches.push(batch.map(({ data }) => data).join(''))
    expect(batches).toEqual(['1', '23', '45', '6'])
  })

  test('decodes one event at a time, in order', async () => {
    const { decode, asked, answer } = slow()
    const run = await play([stream([chunk(1, 2)], 'stall')], { decode })
    expect(asked).toEqual(['1'])
    await answer('one')
    expect(asked).toEqual(['1', '2'])
    await answer('two')
    expect(run.story).toEqual(['fetch', 'message:one', 'message:two'])
    await stop(run)
  })

  test('the ID moves when the event is handed over, not when it is decoded', async () => {
    const { decode, answer } = slow()
    const { source } = prepare([stream([chunk(1)], 'stall')], { decode })
    const next = source[Symbol.asyncIterator]().next()
    await settled()
    expect(source.lastEventId).toBe('')
    await answer('one')
    await next
    expect(source.lastEventId).toBe('1')
    source.close()
  })

  test('after close() nothing is decoded, and what is under way is not delivered', async () => {
    const { decode, asked, answer } = slow()
    const run = await play([stream([chunk(1, 2, 3)], 'stall')], { decode })
    await stop(run)
    await answer('one')
    expect(asked).toEqual(['1'])
    expect(run.story).toEqual(['fetch', 'done'])
    expect(run.source.lastEventId).toBe('')
  })

  test('what rejects after close() is nobody’s error', async () => {
    const unhandled = vi.fn()
    process.on('unhandledRejection', unhandled)
    let reject!: (reason: unknown) => void
    const decode = () => new Promise((_, fail) => (reject = fail))
    const run = await play([stream([chunk(1)], 'stall')], { decode })
    await stop(run)
    reject(new Error('late'))
    vi.useRealTimers()
    await new Promise((resolve) => setTimeout(resolve))
    vi.useFakeTimers()
    process.off('unhandledRejection', unhandled)
    expect(unhandled).not.toHaveBeenCalled()
  })

  test('that is still under way when the connection is lost is delivered before the wait', async () => {
    const { decode, answer } = slow()
    const body = live()
    const run = await play([body.response, noContent()], { decode })
    body.write(chunk(1))
    await settled()
    body.fail(reset())
    await settled()
    expect(run.story).toEqual(['fetch'])
    await answer('one')
    await vi.advanceTimersByTimeAsync(1000)
    await run.followed
    expect(run.story).toEqual(['fetch', 'message:one', 'reconnect:network:1000', 'fetch:1', 'done'])
  })

  test('is no silence of the server’s', async () => {
    const { decode, answer } = slow()
    const run = await play([stream([chunk(1)], 'stall')], { decode, idleTimeout: 5000 }, 60_000)
    await answer('one')
    expect(run.story).toEqual(['fetch', 'message:one'])
    await stop(run)
  })
})

describe('skip', () => {
  test('sees the raw event, the block’s own ID, and the stream', async () => {
    const seen: unknown[] = []
    const answer = stream(['id: 1\ndata: 1\n\nevent: x\ndata: 2\n\nid\ndata: 3\n\n'])
    let source!: EventStream
    const skip: AnyOptions['skip'] = (event, id, stream) => {
      expect(stream).toBe(source)
      seen.push([
        event.type,
        event.data,
        event.lastEventId,
        id,
        stream.attempt,
        stream.response === answer,
      ])
      return false
    }
    const prepared = prepare([answer], { skip, decode: () => 'decoded', onEnd: 'complete' })
    source = prepared.source
    await follow(source, prepared.story)
    expect(seen).toEqual([
      ['message', '1', '1', '1', 1, true],
      ['x', '2', '1', undefined, 1, true],
      ['message', '3', '', '', 1, true],
    ])
  })

  test('passes over an event: it is not decoded, and moves neither ID nor cursor', async () => {
    const decoded: string[] = []
    const { source } = prepare([stream([chunk(1, 2, 3), 'data: after\n\n'])], {
      onEnd: 'complete',
      skip: ({ data }) => data === '2' || data === '3',
      decode: (data) => {
        decoded.push(data)
        return data
      },
      cursor: ({ data }) => data,
    })
    const seen: string[] = []
    for await (const { data, lastEventId } of source) seen.push(`${data}@${lastEventId}`)
    expect(seen).toEqual(['1@1', 'after@1'])
    expect([decoded, source.lastEventId, source.cursor]).toEqual([['1', 'after'], '1', 'after'])
  })

  test('what was passed over last is asked for again', async () => {
    const story = await storyOf([stream([chunk(1, 2)]), noContent()], {
      skip: ({ data }) => data === '2',
    })
    expect(story).toEqual(['fetch', 'message:1', 'reconnect:end:1000', 'fetch:1', 'done'])
  })

  test('comes before until: an event that is passed over ends nothing', async () => {
    let ends = 0
    const story = await storyOf([stream(['data: a\n\ndata: end\n\ndata: end\n\n'])], {
      until: 'end',
      skip: ({ data }) => data === 'end' && ++ends === 1,
    })
    expect(story).toEqual(['fetch', 'message:a', 'done'])
  })

  test('that throws ends the stream with code data', async () => {
    const cause = new Error('of the caller')
    const skip = () => {
      throw cause
    }
    const { source } = prepare([stream([chunk(1)])], { skip })
    expect(await failureOf(source[Symbol.asyncIterator]().next())).toMatchObject({
      code: 'data',
      cause,
      event: { data: '1' },
    })
  })
})

describe('comments', () => {
  const wire = 'data: first\n\n: note\ndata: second\n\n:b\n:\n: last\n'

  test('come at their place between the events, in one chunk as in many', async () => {
    for (const chunks of [[wire], [...wire]]) {
      const { source, story } = prepare([stream(chunks)], {
        onComment: (text) => story.push(`comment:${text}`),
        onEnd: 'complete',
      })
      await follow(source, story)
      expect(story).toEqual([
        ...['fetch', 'message:first', 'comment:note', 'message:second'],
        ...['comment:b', 'comment:', 'comment:last', 'done'],
      ])
    }
  })

  test('are told when their event is asked for, not before', async () => {
    const told: string[] = []
    const { source } = prepare([stream([wire], 'stall')], { onComment: (text) => told.push(text) })
    const iterator = source[Symbol.asyncIterator]()
    await iterator.next()
    await settled()
    expect(told).toEqual([])
    await iterator.next()
    expect(told).toEqual(['note'])
    source.close()
  })

  test('come at their place with an async decode, too', async () => {
    const { source, story } = prepare([stream([wire])], {
      onComment: (text) => story.push(`comment:${text}`),
      decode: async (data) => data,
      onEnd: 'complete',
    })
    await follow(source, story)
    expect(story.slice(1, 4)).toEqual(['message:first', 'comment:note', 'message:second'])
  })

  test('an observer of theirs that throws ends the stream, with that', async () => {
    for (const thrown of [new Error('of the caller'), new SseError('idle'), 'text', undefined, 0]) {
      const asked = vi.fn(() => 0)
      const { source } = prepare([stream([wire], 'stall')], {
        onComment: () => {
          throw thrown
        },
        retry: asked,
      })
      const iterator = source[Symbol.asyncIterator]()
      expect(await iterator.next()).toMatchObject({ value: { data: 'first' } })
      expect(await failureOf(iterator.next())).toBe(thrown)
      expect(source.status).toBe('closed')
      expect(asked).not.toHaveBeenCalled()
    }
  })
})

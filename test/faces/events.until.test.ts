import { describe, expect, test } from 'vitest'
import { follow } from '../support/fetch'
import {
  type AnyOptions,
  failureOf,
  idOf,
  noContent,
  ownTheClock,
  play,
  prepare,
  reset,
  settled,
  storyOf,
} from '../support/play'
import { live, stream } from '../support/response'

ownTheClock()

const chunk = 'data: 1\n\nevent: end\ndata: 2\n\ndata: 3\n\n'
const untilRow = (until: AnyOptions['until'], options: AnyOptions = {}, wire = [chunk]) =>
  storyOf([stream(wire)], { until, retry: false, ...options })
/** What a stream that has ended fails with. */
async function endOf(chunks: string[], options: AnyOptions = {}) {
  const { source, story } = prepare([stream(chunks)], { retry: false, ...options })
  const seen: unknown[] = []
  const error = await (async () => {
    for await (const event of source) seen.push(event)
  })().catch((thrown) => thrown)
  return { source, story, seen, error }
}

describe('until', () => {
  test.each<[string, AnyOptions['until'], string[]]>([
    ['a text ends at the event with that data, which is not delivered', '2', ['message:1', 'done']],
    ['a text equals all of the data', '', ['message:1', 'end:2', 'message:3', 'throws:truncated']],
    [
      'a type ends at its event, which is delivered',
      { type: 'end' },
      ['message:1', 'end:2', 'done'],
    ],
    ['the type of an event without one is message', { type: 'message' }, ['message:1', 'done']],
    [
      'a function ends at the event that it says so of, which is delivered',
      ({ type }) => type === 'end',
      ['message:1', 'end:2', 'done'],
    ],
    ['may end with the first event', () => true, ['message:1', 'done']],
    [
      'does not end at another type',
      { type: 'en' },
      ['message:1', 'end:2', 'message:3', 'throws:truncated'],
    ],
  ])('%s', async (_, until, expected) => {
    expect(await untilRow(until)).toEqual(['fetch', ...expected])
  })

  test('lets go of the body that goes on', async () => {
    for (const until of ['2', { type: 'end' }, () => true]) {
      const { response, write, cancelled } = live()
      const run = await play([response], { until })
      write(chunk)
      await cancelled
      await run.followed
      expect([run.story.at(-1), run.source.status]).toEqual(['done', 'closed'])
    }
  })

  test('a text is compared with the data as it came: decode does not see the terminal event', async () => {
    const wire = ['data: {"n":1}\n\ndata: [DONE]\n\n']
    const { seen, error } = await endOf(wire, { until: '[DONE]', decode: JSON.parse })
    expect([seen, error]).toEqual([
      [{ type: 'message', data: { n: 1 }, lastEventId: '' }],
      undefined,
    ])
  })

  test('a type is compared before decode; what that leaves out ends the stream as well', async () => {
    const left = (data: string) => data || undefined
    for (const decode of [left, async (data: string) => left(data)]) {
      const wire = ['data: 1\n\n', 'id: 7\nevent: end\ndata:\n\n', 'data: 2\n\n']
      const { source, seen, error } = await endOf(wire, { until: { type: 'end' }, decode })
      expect([seen.length, error, source.lastEventId]).toEqual([1, undefined, '7'])
    }
  })

  test('a function sees the decoded events that are delivered, and no others', async () => {
    const seen: unknown[] = []
    const wire = ['data: 1\n\ndata:\n\nid: 5\ndata: 2\n\n']
    const until = (event: unknown) => {
      seen.push(event)
      return seen.length === 2
    }
    const decode = (data: string) => (data ? Number(data) : undefined)
    expect((await endOf(wire, { until, decode })).error).toBe(undefined)
    expect(seen).toEqual([
      { type: 'message', data: 1, lastEventId: '' },
      { type: 'message', data: 2, lastEventId: '5' },
    ])
  })

  test('the event that carries the result is delivered with its cursor', async () => {
    const { source, seen } = await endOf(
      ['event: response.completed\ndata: {"sequence_number":9}\n\n'],
      {
        until: { type: 'response.completed' },
        decode: JSON.parse,
        cursor: ({ data }) => data.sequence_number,
      },
    )
    expect([seen.length, source.cursor]).toEqual([1, '9'])
  })

  test('the terminal text moves neither ID nor cursor', async () => {
    const { source } = await endOf(['id: 1\ndata: 1\n\nid: 2\ndata: [DONE]\n\n'], {
      until: '[DONE]',
    })
    expect(source.lastEventId).toBe('1')
  })

  test('that throws ends the stream with code data, after the events before it', async () => {
    const cause = new Error('of the caller')
    const { source, requests, story } = prepare(
      [stream(['id: 1\ndata: 1\n\nid: 2\ndata: 2\n\n']), noContent()],
      {
        until: ({ data }) => {
          if (data === '2') throw cause
          return false
        },
      },
    )
    const iterator = source[Symbol.asyncIterator]()
    expect(await iterator.next()).toMatchObject({ value: { data: '1' } })
    expect(await failureOf(iterator.next())).toMatchObject({
      code: 'data',
      cause,
      event: { data: '2', lastEventId: '2' },
    })
    // It has been delivered, to the error.
    await follow(source, story)
    expect(requests.map(idOf)).toEqual([null, '2'])
  })

  test('batches end with the terminal event', async () => {
    const batches: string[][] = []
    const { source } = prepare([stream([chunk])], { until: { type: 'end' } })
    for await (const batch of source.batches()) batches.push(batch.map(({ data }) => data))
    expect(batches).toEqual([['1', '2']])
  })

  test('batches that cursor ends at the terminal event are no complete answer', async () => {
    const { source } = prepare([stream([chunk])], {
      until: { type: 'end' },
      cursor: ({ type }) => {
        if (type === 'end') throw new Error('of the caller')
        return undefined
      },
    })
    const iterator = source.batches()
    expect(await iterator.next()).toMatchObject({ value: [{ data: '1' }] })
    expect(await failureOf(iterator.next())).toMatchObject({ code: 'data', event: { data: '2' } })
  })
})

describe('a stream that ends before its end', () => {
  test('is truncated, and goes on where it may', async () => {
    const answers = [stream(['id: 1\ndata: 1\n\n']), stream(['id: 2\ndata: 2\n\n'])]
    expect(await storyOf(answers, { until: '2' })).toEqual([
      ...['fetch', 'message:1', 'reconnect:truncated:1000', 'fetch:1', 'done'],
    ])
  })

  test('is an error with the response', async () => {
    const { error } = await endOf(['data: 1\n\n'], { until: '2' })
    expect(error).toMatchObject({
      code: 'truncated',
      status: undefined,
      attempt: 1,
      retriable: true,
    })
    expect(error.response.status).toBe(200)
    expect(error.body).toBe(undefined)
    expect(error.message).toContain('Expected the event that until names')
  })

  test('names the types that decode left out: the end may have been among them', async () => {
    const { error } = await endOf(['event: fin\ndata:\n\n', 'event: ping\ndata:\n\n'], {
      until: ({ type }) => type === 'fin',
      decode: (data) => data || undefined,
    })
    expect(error.message).toContain('"fin", "ping"')
  })

  test('of a POST is thrown, not complete: no [DONE], no answer', async () => {
    expect(await storyOf([stream(['data: 1\n\n'])], { json: {}, until: '[DONE]' })).toEqual([
      ...['fetch', 'message:1', 'throws:truncated'],
    ])
  })

  test('also where the response has no body at all', async () => {
    const headers = { 'content-type': 'text/event-stream' }
    const empty = () => new Response(null, { headers })
    expect(await storyOf([empty()], { json: {}, until: '[DONE]' })).toEqual([
      'fetch',
      'throws:truncated',
    ])
    expect(await storyOf([empty()], { json: {} })).toEqual(['fetch', 'done'])
    expect(await storyOf([empty(), noContent()])).toEqual([
      ...['fetch', 'reconnect:end:1000', 'fetch', 'done'],
    ])
  })
})

describe('204', () => {
  test.each<[string, AnyOptions]>([
    ['by default', {}],
    ['with a policy that would go on', { retry: () => 0 }],
    ['with an accept that would take it', { accept: () => true }],
    ['of a POST', { method: 'POST', resume: 'same' }],
  ])('ends the stream without an error, %s', async (_, options) => {
    const story = await storyOf([stream(['data: 1\n\n']), noContent()], {
      onEnd: 'reconnect',
      ...options,
    })
    expect(story.filter((line) => !line.startsWith('reconnect'))).toEqual([
      ...['fetch', 'message:1', 'fetch', 'done'],
    ])
  })

  test('is looked at before accept', async () => {
    const asked: number[] = []
    await storyOf([noContent()], {
      accept: ({ status }) => {
        asked.push(status)
        return false
      },
    })
    expect(asked).toEqual([])
  })

  test('completes a stream with until that has had no event', async () => {
    expect(await storyOf([noContent()], { until: '2' })).toEqual(['fetch', 'done'])
    const answers = [stream([], reset()), noContent()]
    expect((await storyOf(answers, { until: '2' })).at(-1)).toBe('done')
  })

  test('is no complete answer where until is given and an event has come: final', async () => {
    const asked: unknown[] = []
    const { source, story } = prepare([stream(['id: 1\ndata: 1\n\n'], reset()), noContent()], {
      until: '2',
      retry: ({ error }) => {
        asked.push(error?.code)
        return 0
      },
    })
    const iterator = source[Symbol.asyncIterator]()
    await iterator.next()
    const failed = failureOf(iterator.next())
    await settled()
    expect(await failed).toMatchObject({ code: 'truncated', retriable: false, attempt: 2 })
    expect(story).toEqual(['fetch', 'reconnect:network:0', 'fetch:1'])
    expect(asked).toEqual(['network'])
  })
})

describe('a block without its blank line, at the clean end', () => {
  const whole = 'id: 1\ndata: 1\n\n'

  test.each<[string, string, string | undefined]>([
    ['an event cut in its data', 'id: 2\ndata: half an ans', 'id: 2\ndata: half an ans'],
    ['an event without its blank line', 'id: 2\ndata: 2\n', 'id: 2\ndata: 2\n'],
    ['a field without an event', 'id: 2\n', 'id: 2\n'],
    ['a time-out text of the platform', 'upstream request timeout', 'upstream request timeout'],
    ['a JSON error sent as an event stream', '{"error":"quota"}', '{"error":"quota"}'],
    ['lines that are no field', 'oops\nmore oops\n', 'oops\nmore oops\n'],
    ['nothing', '', undefined],
    ['blank lines', '\n\n\n', undefined],
    ['a comment', ': bye', undefined],
    ['a comment and its line end', ': bye\n', undefined],
  ])('%s', async (_, tail, body) => {
    const { source, seen, error } = await endOf([whole + tail], { onEnd: 'complete' })
    expect(seen.length).toBe(1)
    if (body === undefined) expect(error).toBe(undefined)
    else expect(error).toMatchObject({ code: 'truncated', body, retriable: true })
    expect(source.lastEventId).toBe('1')
  })

  test('unknown lines that end with a blank line are no event, and no cut either', async () => {
    const { error } = await endOf([`${whole}oops\n\n`], { onEnd: 'complete' })
    expect(error).toBe(undefined)
  })

  test('of a feed is told, and the feed goes on after the last whole event', async () => {
    const answers = [
      stream([`${whole}id: 2\ndata: 2\n`]),
      stream(['id: 2\ndata: 2\n\n']),
      noContent(),
    ]
    expect(await storyOf(answers)).toEqual([
      ...['fetch', 'message:1', 'reconnect:truncated:1000', 'fetch:1', 'message:2'],
      ...['reconnect:end:1000', 'fetch:2', 'done'],
    ])
  })

  test('of a POST is thrown: half an answer is none', async () => {
    expect(await storyOf([stream([`${whole}data: 2`])], { json: {} })).toEqual([
      ...['fetch', 'message:1', 'throws:truncated'],
    ])
  })

  test('its text is kept up to 4 KiB, since the last event', async () => {
    const { error } = await endOf([whole, `data: ${'x'.repeat(5000)}`], { onEnd: 'complete' })
    expect(error.body).toBe(`data: ${'x'.repeat(4090)}`)
  })

  test("is delivered with incomplete: 'deliver', with the ID before it, and the end is clean", async () => {
    for (const tail of ['id: 2\nevent: x\ndata: 2\n', 'id: 2\nevent: x\ndata: 2']) {
      const { source, seen, error } = await endOf([whole + tail], {
        onEnd: 'complete',
        incomplete: 'deliver',
      })
      expect([seen, error]).toEqual([
        [
          { type: 'message', data: '1', lastEventId: '1' },
          { type: 'x', data: '2', lastEventId: '1' },
        ],
        undefined,
      ])
      expect(source.lastEventId).toBe('1')
    }
  })

  test("incomplete: 'deliver' gives it to decode, skip and cursor as any other", async () => {
    const seen: unknown[] = []
    const { source } = await endOf(['data: 2'], {
      onEnd: 'complete',
      incomplete: 'deliver',
      skip: (_, id) => {
        seen.push(id)
        return false
      },
      decode: Number,
      cursor: ({ data }) => data * 2,
    })
    expect([seen, source.cursor]).toEqual([[undefined], '4'])
  })

  test("incomplete: 'deliver' does not make a lost connection a clean end", async () => {
    const { source, story } = prepare([stream(['data: 2\n'], reset())], {
      retry: false,
      incomplete: 'deliver',
    })
    await follow(source, story)
    expect(story).toEqual(['fetch', 'throws:network'])
  })
})

describe('a terminal event without its blank line', () => {
  const before = 'id: 1\ndata: 1\n\n'
  test.each<[string, AnyOptions, string, string[]]>([
    ['a text', { until: '[DONE]' }, 'data: [DONE]\n', ['done']],
    ['a text without its line end', { until: '[DONE]' }, 'data: [DONE]', ['done']],
    ['another text', { until: '[DONE]' }, 'data: [DON', ['throws:truncated']],
    ['a type', { until: { type: 'end' } }, 'event: end\ndata: x\n', ['end:x', 'done']],
    [
      'a type whose last line may be cut',
      { until: { type: 'end' } },
      'event: end\ndata: x',
      ['throws:truncated'],
    ],
    [
      'a type whose last line may be cut, to be delivered',
      { until: { type: 'end' }, incomplete: 'deliver' },
      'event: end\ndata: x',
      ['end:x', 'done'],
    ],
    ['a function', { until: ({ data }) => data === 'x' }, 'data: x\n', ['message:x', 'done']],
    [
      'a function, with a line that may be cut',
      { until: ({ data }) => data === 'x' },
      'data: x',
      ['throws:truncated'],
    ],
    ['another event', { until: ({ data }) => data === 'y' }, 'data: x\n', ['throws:truncated']],
    [
      'another event, to be delivered: the end is before its end all the same',
      { until: '[DONE]', incomplete: 'deliver' },
      'data: x\n',
      ['message:x', 'throws:truncated'],
    ],
    [
      'a decoded one',
      { until: ({ data }) => data === 'X', decode: async (data) => data.toUpperCase() },
      'data: x\n',
      ['message:X', 'done'],
    ],
    [
      'one that cannot be decoded, since it is cut',
      { until: ({ data }) => data === 2, decode: JSON.parse },
      'data: {"a":\n',
      ['throws:truncated'],
    ],
  ])('%s', async (_, options, tail, expected) => {
    const { source, story } = prepare([stream([before + tail])], { retry: false, ...options })
    await follow(source, story)
    expect(story.slice(2)).toEqual(expected)
    expect(source.lastEventId).toBe('1')
  })
})

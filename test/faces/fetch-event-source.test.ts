import { EventEmitter, getEventListeners, once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import * as peer from '@microsoft/fetch-event-source'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { SseError } from '../../src/errors'
import {
  EventStreamContentType,
  type FetchEventSourceOptions,
  fetchEventSource,
} from '../../src/faces/fetch-event-source'
import {
  type Answer,
  answer,
  callbacks,
  chunks,
  fixed,
  identical,
  open,
  type Play,
  play,
  type Story,
  settle,
  stub,
  within,
} from '../support/drop-in'
import { body } from '../support/response'
import { serve } from '../support/server'

const eventStream = { 'content-type': 'text/event-stream' }
const mine = new Error('mine')

/** A row on a faked `fetch`: its answers, and what is passed beside the callbacks. */
function on(
  answers: Answer[],
  init?: (story: Story, abort: () => void) => FetchEventSourceOptions,
  time?: number,
): Play {
  return (subject, story) => {
    const controller = new AbortController()
    const { signal } = controller
    const abort = () => {
      story.push('abort')
      controller.abort()
    }
    onTestFinished(() => controller.abort())
    return play(subject, story, answers, () => ({ signal, ...init?.(story, abort) }), time)
  }
}

/** What a `fetch` is called with, written down, and an answer. */
function requests(init: FetchEventSourceOptions, ...wire: string[]): Play {
  return on([], (story) => {
    let calls = 0
    return {
      async fetch(_input, { headers } = {}) {
        // As the real one reads them.
        story.push([...new Headers(headers)].map((header) => header.join(': ')).join(', '))
        return new Response(body(wire.slice(calls++, calls)), { headers: eventStream })
      },
      onclose() {
        if (calls < wire.length) throw mine
      },
      onmessage: undefined,
      onerror: () => 0,
      ...init,
    }
  })
}

/** That the call rejects: in the production build with fewer words. */
const rejected = (words: string): string =>
  expect.stringMatching(
    `^rejected:${__DEV__ ? words : '(Invalid request|unrepeatable|unusable)$'}`,
  ) as unknown as string

const pause = (milliseconds: number) =>
  new Promise<void>((resolve) => setTimeout(resolve, milliseconds))

test('the content type is the original’s', () => {
  expect(EventStreamContentType).toBe(peer.EventStreamContentType)
})

describe('the order of things', () => {
  identical(
    'fetch, onopen and its wait, onmessage for each, onclose; then it resolves with undefined',
    on([chunks('data: 1\n\ndata: 2\n\n', 'data: 3\n\n')], (story) => ({
      async onopen({ status }) {
        story.push(`open:${status}`)
        await pause(50)
        story.push('opened')
      },
    })),
    [
      'fetch@0',
      'open:200',
      'opened',
      'message:1',
      'message:2',
      'message:3',
      'close',
      'resolved:undefined',
    ],
  )

  identical(
    'without callbacks the stream is read to its end',
    on([chunks('data: 1\n\n')], () => ({ onmessage: undefined, onclose: undefined })),
    ['fetch@0', 'resolved:undefined'],
  )

  identical(
    'an async onmessage is not waited for',
    on([chunks('data: 1\n\ndata: 2\n\n')], (story) => ({
      async onmessage({ data }) {
        story.push(`message:${data}`)
        await pause(50)
        story.push(`done:${data}`)
      },
    })),
    ['fetch@0', 'message:1', 'message:2', 'close', 'resolved:undefined', 'done:1', 'done:2'],
  )

  const throwing: [string, Answer, FetchEventSourceOptions, Story][] = [
    ['fetch throws', mine, {}, []],
    [
      'an async onopen throws',
      open('data: 1\n\n'),
      { onopen: () => Promise.reject(mine) },
      ['open'],
    ],
    [
      'a plain onopen throws',
      open('data: 1\n\n'),
      {
        onopen() {
          throw mine
        },
      },
      ['open'],
    ],
    [
      'onmessage throws, which ends the connection',
      open('data: 1\n\ndata: 2\n\n'),
      {
        onmessage() {
          throw mine
        },
      },
      ['message'],
    ],
    [
      'onclose throws',
      chunks('data: 1\n\n'),
      {
        onclose() {
          throw mine
        },
      },
      ['message', 'close'],
    ],
    ['a lost connection throws', { chunks: ['data: 1\n\n'], after: mine }, {}, ['message']],
  ]
  for (const [what, given, init, before] of throwing) {
    identical(
      `what ${what} goes to onerror as it is, and is followed by another attempt`,
      on([given], (story) => ({
        async onopen(response) {
          if (!init.onopen) return
          story.push('open')
          await init.onopen(response)
        },
        onmessage(event) {
          story.push('message')
          init.onmessage?.(event)
        },
        onclose() {
          story.push('close')
          init.onclose?.()
        },
        onerror(error) {
          story.push(`itself:${error === mine}`)
        },
      })),
      ['fetch@0', ...before, 'itself:true', 'fetch@1000'],
    )
  }

  // Errors that the session would judge, were they its own.
  const ours = new SseError('auth', 'logged out', { cause: mine })
  const answered = Object.assign(new Error('HTTPError'), {
    response: new Response(null, { status: 500 }),
  })
  for (const thrown of [ours, answered]) {
    for (const [where, init, before] of [
      ['fetch', { fetch: () => Promise.reject(thrown) }, []],
      ['onopen', { onopen: () => Promise.reject(thrown) }, ['fetch@0']],
      [
        'onmessage',
        {
          onmessage() {
            throw thrown
          },
        },
        ['fetch@0'],
      ],
      [
        'onclose',
        {
          onclose() {
            throw thrown
          },
        },
        ['fetch@0', 'message:1'],
      ],
    ] as [string, FetchEventSourceOptions, Story][]) {
      identical(
        `${thrown.message}, thrown in ${where}, reaches onerror and the caller as it is`,
        async (subject, story) => {
          vi.useFakeTimers()
          let itself = false
          const call = subject('http://localhost/', {
            fetch: answer(story, chunks('data: 1\n\n')),
            ...callbacks(story),
            ...init,
            onerror(error) {
              itself = error === thrown
              throw error
            },
          })
          onTestFinished(() => {
            vi.useRealTimers()
          })
          await call.catch((error) => story.push(`itself:${itself} ${error === thrown}`))
        },
        [...before, 'itself:true true'],
      )
    }
  }

  identical(
    'after a throw in onmessage the place is that of the message it was called with',
    on([open('id: 1\ndata: 1\n\nid: 2\ndata: 2\n\n')], (story) => ({
      onmessage({ data }) {
        story.push(`message:${data}`)
        throw mine
      },
    })),
    ['fetch@0', 'message:1', 'error:mine', 'fetch@1000 id=1'],
  )

  for (const thrown of ['text', null, undefined]) {
    identical(
      `${thrown} thrown in onmessage reaches onerror`,
      on([open('data: 1\n\n')], (story) => ({
        onmessage() {
          throw thrown
        },
        onerror(error) {
          story.push(`error:${error}`)
        },
      })),
      ['fetch@0', `error:${thrown}`, 'fetch@1000'],
    )
  }
})

describe('what onerror answers', () => {
  const answers: [unknown, number][] = [
    [50, 50],
    [0, 0],
    [undefined, 1000],
    [null, 1000],
  ]
  for (const [value, delay] of answers) {
    identical(
      `${value} delays this attempt by ${delay} ms, and no other`,
      on([new Error('1'), new Error('2')], (story) => ({
        onerror({ message }) {
          story.push(`error:${message}`)
          return message === '1' ? (value as number) : undefined
        },
      })),
      ['fetch@0', 'error:1', `fetch@${delay}`, 'error:2', `fetch@${delay + 1000}`],
    )
  }

  identical(
    'what it throws is what the promise rejects with, and the end',
    on([mine], (story) => ({
      onerror(error) {
        story.push(`error:${error.message}`)
        throw new Error('given up')
      },
    })),
    ['fetch@0', 'error:mine', 'rejected:given up'],
  )

  identical(
    'without onerror every failure is retried at the same interval, without backoff',
    on([mine, mine, mine], () => ({ onerror: undefined })),
    ['fetch@0', 'fetch@1000', 'fetch@2000', 'fetch@3000'],
  )

  identical(
    'the server’s retry replaces the interval, at once and for good',
    on([{ chunks: ['retry: 250\n\n', 'retry: 400\n'], after: mine }, mine], () => ({
      onmessage: undefined,
    })),
    ['fetch@0', 'error:mine', 'fetch@400', 'error:mine', 'fetch@800'],
  )

  const asynchronous: [string, () => Promise<number | undefined>, Story, Story][] = [
    [
      'an async onerror is waited for and its number is the delay',
      async () => {
        await pause(100)
        return 500
      },
      ['fetch@0', 'error:1', 'fetch@600', 'error:2', 'fetch@1200'],
      ['fetch@0', 'error:1', 'fetch@0', 'error:2', 'fetch@1'],
    ],
    [
      'an async onerror that answers nothing leaves the interval',
      async () => undefined,
      ['fetch@0', 'error:1', 'fetch@1000', 'error:2', 'fetch@2000'],
      ['fetch@0', 'error:1', 'fetch@0', 'error:2', 'fetch@1'],
    ],
    [
      'what an async onerror throws is what the promise rejects with',
      () => {
        const rejected = Promise.reject(new Error('given up'))
        rejected.catch(() => {})
        return rejected
      },
      ['fetch@0', 'error:1', 'rejected:given up'],
      ['fetch@0', 'error:1', 'fetch@0', 'error:2', 'fetch@1'],
    ],
  ]
  for (const [title, onerror, told, toldByOriginal] of asynchronous) {
    fixed(
      title,
      on([new Error('1'), new Error('2')], (story) => ({
        onerror({ message }) {
          story.push(`error:${message}`)
          return onerror()
        },
      })),
      told,
      toldByOriginal,
    )
  }

  for (const delay of [Number.NaN, -1, Number.POSITIVE_INFINITY]) {
    fixed(
      `${delay} leaves the interval`,
      on([mine], () => ({ onerror: () => delay })),
      ['fetch@0', 'fetch@1000'],
      ['fetch@0', expect.stringMatching(/fetch@[01]$/) as unknown as string],
    )
  }

  fixed(
    'a 0 makes no hot loop either',
    on([mine, mine, mine], () => ({ onerror: () => 0 })),
    ['fetch@0', 'fetch@0', 'fetch@100', 'fetch@200'],
    ['fetch@0', 'fetch@0', 'fetch@1', 'fetch@2'],
  )

  const failing: Answer = { chunks: ['retry: 0\n\n'], after: mine }
  fixed(
    'retry: 0 makes no hot loop: the first attempt is at once, those after it wait for 100 ms',
    on([failing, failing, failing], () => ({ onmessage: undefined })),
    ['fetch@0', 'error:mine', 'fetch@0', 'error:mine', 'fetch@100', 'error:mine', 'fetch@200'],
    ['fetch@0', 'error:mine', 'fetch@0', 'error:mine', 'fetch@1', 'error:mine', 'fetch@2'],
  )
})

describe('the check of the response', () => {
  for (const type of [
    'text/event-stream',
    'text/event-stream; charset=utf-8',
    'text/event-streams',
  ]) {
    identical(
      `${type} begins as it should and is accepted`,
      on([{ chunks: ['data: 1\n\n'], type }]),
      ['fetch@0', 'message:1', 'close', 'resolved:undefined'],
    )
  }

  for (const type of ['text/html', 'Text/Event-Stream', null]) {
    identical(
      `${type} is refused`,
      on([{ type, after: 'end', chunks: ['data: 1\n\n'] }], undefined, 999),
      ['fetch@0', `error:Expected content-type to be text/event-stream, Actual: ${type}`],
    )
  }

  identical(
    'onopen takes its place',
    on([{ chunks: ['data: 1\n\n'], type: 'text/html', status: 500 }], () => ({
      onopen: async () => {},
    })),
    ['fetch@0', 'message:1', 'close', 'resolved:undefined'],
  )

  identical(
    'onopen may read the body',
    on([{ chunks: ['too many'], type: 'text/plain', status: 429 }], () => ({
      async onopen(response) {
        throw new Error(await response.text())
      },
    })),
    ['fetch@0', 'error:too many', 'fetch@1000'],
  )

  fixed(
    'a 500 is no success, whatever its type',
    on([{ chunks: ['data: 1\n\n'], status: 500 }], undefined, 999),
    ['fetch@0', __DEV__ ? 'error:Expected a 2xx status, got 500' : 'error:status 500'],
    ['fetch@0', 'message:1', 'close', 'resolved:undefined'],
  )

  fixed(
    'a 204 ends the stream',
    on([{ status: 204, type: null }], undefined, 999),
    ['fetch@0', 'close', 'resolved:undefined'],
    ['fetch@0', 'error:Expected content-type to be text/event-stream, Actual: null'],
  )

  fixed(
    'a 204 that onopen lets pass ends the stream',
    on([{ status: 204 }], () => ({ onopen: async () => {} }), 999),
    ['fetch@0', 'close', 'resolved:undefined'],
    ['fetch@0', "error:Cannot read properties of null (reading 'getReader')"],
  )

  fixed(
    'a 204 after which onclose throws is an end like any other: onerror decides',
    on([{ status: 204 }], (story) => ({
      onclose() {
        story.push('close')
        throw mine
      },
    })),
    ['fetch@0', 'close', 'error:mine', 'fetch@1000'],
    ['fetch@0', "error:Cannot read properties of null (reading 'getReader')", 'fetch@1000'],
  )

  identical(
    'onopen sees a 204 and may refuse it',
    on([{ status: 204 }], () => ({
      async onopen({ status }) {
        throw new Error(`status ${status}`)
      },
    })),
    ['fetch@0', 'error:status 204', 'fetch@1000'],
  )

  test('a refused response is known by its code, status and text', async () => {
    const refuse = on([{ status: 403, type: 'text/plain', chunks: ['no'] }], (story) => ({
      onerror({ code, status, body }) {
        story.push(`${code} ${status} ${body}`)
        throw mine
      },
    }))
    const story: Story = []
    await refuse(fetchEventSource, story)
    expect(story).toEqual(['fetch@0', 'status 403 no', 'rejected:mine'])
  })

  identical(
    'an answer with nothing but headers and a body will do',
    on([], () => ({
      fetch: async () =>
        ({ headers: new Headers(eventStream), body: body(['data: 1\n\n']) }) as never,
    })),
    ['message:1', 'close', 'resolved:undefined'],
  )

  identical(
    'an answer that is no Response goes to onerror',
    on([], (story) => ({
      fetch: async () => undefined as never,
      onerror(error) {
        story.push(error.name)
        throw mine
      },
    })),
    ['TypeError', 'rejected:mine'],
  )

  identical(
    'a body that is no stream goes to onerror',
    on([], (story) => ({
      fetch: async () => ({ status: 200, headers: new Headers(eventStream), body: {} }) as never,
      async onopen() {},
      onerror(error) {
        story.push(error.name)
        throw mine
      },
    })),
    ['TypeError', 'rejected:mine'],
  )
})

describe('the headers', () => {
  identical('accept is an event stream’s where the caller gives none', requests({}, ''), [
    'accept: text/event-stream',
    'resolved:undefined',
  ])

  identical(
    'accept is an event stream’s where the caller gives an empty one',
    requests({ headers: { accept: '' } }, ''),
    ['accept: text/event-stream', 'resolved:undefined'],
  )

  identical(
    'accept is the caller’s where there is one',
    requests({ headers: { accept: 'application/json', 'x-key': '7' } }, ''),
    ['accept: application/json, x-key: 7', 'resolved:undefined'],
  )

  fixed(
    'Accept is the caller’s in any spelling',
    requests({ headers: { Accept: 'application/json' } }, ''),
    ['accept: application/json', 'resolved:undefined'],
    ['accept: application/json, text/event-stream', 'resolved:undefined'],
  )

  fixed(
    'an instance of Headers is sent',
    requests({ headers: new Headers({ authorization: 'Bearer 1' }) }, ''),
    ['accept: text/event-stream, authorization: Bearer 1', 'resolved:undefined'],
    ['accept: text/event-stream', 'resolved:undefined'],
  )

  identical(
    'last-event-id is the last that came, in whichever connection, until an empty one',
    requests(
      {},
      'data: 1\n\n',
      'id: a\ndata: 1\n\nid: b\ndata: 2\n\n',
      'data: 1\n\n',
      'id:\ndata: 1\n\n',
      '',
    ),
    [
      'accept: text/event-stream',
      'accept: text/event-stream',
      'accept: text/event-stream, last-event-id: b',
      'accept: text/event-stream, last-event-id: b',
      'accept: text/event-stream',
      'resolved:undefined',
    ],
  )

  identical(
    'last-event-id may be seeded, and gives way to the server’s',
    requests({ headers: { 'last-event-id': 'seed' } }, '', 'id: a\n\n', 'id:\n\n', ''),
    [
      'accept: text/event-stream, last-event-id: seed',
      'accept: text/event-stream, last-event-id: seed',
      'accept: text/event-stream, last-event-id: a',
      'accept: text/event-stream',
      'resolved:undefined',
    ],
  )

  fixed(
    'Last-Event-ID may be seeded in any spelling',
    requests({ headers: { 'Last-Event-ID': 'seed' } }, 'id: a\n\n', 'id:\n\n', ''),
    [
      'accept: text/event-stream, last-event-id: seed',
      'accept: text/event-stream, last-event-id: a',
      'accept: text/event-stream',
      'resolved:undefined',
    ],
    [
      'accept: text/event-stream, last-event-id: seed',
      'accept: text/event-stream, last-event-id: seed, a',
      'accept: text/event-stream, last-event-id: seed',
      'resolved:undefined',
    ],
  )

  fixed(
    'an ID beyond ASCII is sent, as its bytes in UTF-8',
    requests({}, 'id: \u2026\n\n', ''),
    ['accept: text/event-stream', 'accept: text/event-stream, last-event-id: \xe2\x80\xa6'].concat(
      'resolved:undefined',
    ),
    ['accept: text/event-stream'],
  )

  fixed(
    'so is one that is seeded',
    requests({ headers: { 'last-event-id': '\u2026' } }, ''),
    ['accept: text/event-stream, last-event-id: \xe2\x80\xa6', 'resolved:undefined'],
    [],
  )

  identical(
    'they are those of the call, whatever becomes of the object',
    (subject, story) => {
      const headers = { 'x-key': '1' }
      const call = requests({ headers }, '', '')(subject, story)
      headers['x-key'] = '2'
      return call
    },
    [
      'accept: text/event-stream, x-key: 1',
      'accept: text/event-stream, x-key: 1',
      'resolved:undefined',
    ],
  )

  test('a function makes them before every attempt', async () => {
    const story: Story = []
    const headers: FetchEventSourceOptions['headers'] = async ({ number, lastEventId, error }) => ({
      'x-attempt': `${number} after ${error?.status} ${JSON.stringify(lastEventId)}`,
    })
    await requests({ headers }, 'id: a\n\n', 'id: b\n\n', '')(fetchEventSource, story)
    expect(story).toEqual([
      'accept: text/event-stream, x-attempt: 1 after undefined ""',
      'accept: text/event-stream, last-event-id: a, x-attempt: 2 after undefined "a"',
      'accept: text/event-stream, last-event-id: b, x-attempt: 3 after undefined "b"',
      'resolved:undefined',
    ])
  })

  test('what their function throws goes to onerror as it is', async () => {
    const story: Story = []
    const init: FetchEventSourceOptions = {
      headers() {
        throw mine
      },
      onerror(error) {
        story.push(`itself:${error === mine}`)
        throw error
      },
    }
    await on([], () => init)(fetchEventSource, story)
    expect(story).toEqual(['itself:true', 'rejected:mine'])
  })

  test('their function is asked again at once after a 401, and then onerror decides', async () => {
    const story: Story = []
    const init: FetchEventSourceOptions = {
      headers({ number, error }) {
        story.push(`headers:${number} after ${error?.status}`)
        return {}
      },
    }
    const refused: Answer = { status: 401, type: 'application/json' }
    await on([refused, refused, open('data: 1\n\n')], () => init)(fetchEventSource, story)
    expect(story).toEqual([
      'headers:1 after undefined',
      'fetch@0',
      'headers:2 after 401',
      'fetch@0',
      'error:Expected content-type to be text/event-stream, Actual: application/json',
      'headers:3 after 401',
      'fetch@1000',
      'message:1',
    ])
  })

  test('onopen sees the second 401 in a row to their function, and no first one', async () => {
    const story: Story = []
    const init: FetchEventSourceOptions = {
      headers: () => ({}),
      async onopen({ status }) {
        story.push(`open:${status}`)
        if (status !== 200) throw mine
      },
    }
    const answers: Answer[] = [{ status: 401 }, { status: 401 }, { status: 401 }, open()]
    await on(answers, () => init)(fetchEventSource, story)
    expect(story).toEqual([
      ...['fetch@0', 'fetch@0', 'open:401', 'error:mine'],
      ...['fetch@1000', 'open:401', 'error:mine'],
      ...['fetch@2000', 'open:200'],
    ])
  })

  identical(
    'a 401 to fixed headers goes to onopen',
    on([{ status: 401 }], () => ({
      headers: { authorization: 'Bearer 1' },
      async onopen({ status }) {
        throw new Error(`status ${status}`)
      },
    })),
    ['fetch@0', 'error:status 401', 'fetch@1000'],
  )

  for (const name of ['constructor', 'tostring']) {
    identical(`one may be named ${name}`, requests({ headers: { [name]: '1' } }, ''), [
      `accept: text/event-stream, ${name}: 1`,
      'resolved:undefined',
    ])
  }
})

describe('the request', () => {
  /** Writes down what the `fetch` option is called with. */
  const seen = (input: string | URL | Request, init: FetchEventSourceOptions): Play => {
    return async (subject, story) => {
      const call = subject(input, {
        async fetch(target, { signal, ...sent } = {}) {
          story.push(`${typeof target === 'string' ? target : target.constructor.name}`)
          for (const name of ['method', 'headers', 'body', 'credentials', 'next'] as const) {
            const value = sent[name as keyof typeof sent]
            if (value === undefined) continue
            const entries = typeof value === 'object' && Object.entries(value ?? {}).sort()
            story.push(`${name}:${JSON.stringify(entries || value)}`)
          }
          return new Response(null, { status: 500 })
        },
        onerror(error) {
          throw error
        },
        ...init,
      })
      await settle([], call)
    }
  }

  identical(
    'fetch gets the input as it was given, and plain headers in the spelling they were given in',
    seen('/api/chat?q=1', {
      method: 'POST',
      headers: { Authorization: 'Bearer 1', 'Content-Type': 'application/json' },
      body: '{}',
    }),
    [
      '/api/chat?q=1',
      'method:"POST"',
      'headers:[["Authorization","Bearer 1"],["Content-Type","application/json"],["accept","text/event-stream"]]',
      'body:"{}"',
    ],
  )

  identical(
    'a path reaches fetch as a path where there is a page to resolve it against, too',
    (subject, story) => {
      stub('location', { href: 'http://localhost/app/' })
      return seen('api/chat', { method: 'GET' })(subject, story)
    },
    ['api/chat', 'method:"GET"', 'headers:[["accept","text/event-stream"]]'],
  )

  identical(
    'fetch gets every other option, those it alone knows too',
    seen('http://localhost/', {
      method: 'GET',
      credentials: 'include',
      ...({ next: { revalidate: 0 } } as object),
    }),
    [
      'http://localhost/',
      'method:"GET"',
      'headers:[["accept","text/event-stream"]]',
      'credentials:"include"',
      'next:[["revalidate",0]]',
    ],
  )

  identical(
    'options of events() mean nothing here',
    on([chunks('data: 1\n\n')], () => ({ until: '1', retry: false, decode: 1 }) as object),
    ['fetch@0', 'message:1', 'close', 'resolved:undefined'],
  )

  const oneMessage = (story: Story) => async () => {
    story.push('fetch')
    return new Response(body(['data: 1\n\n']), { headers: eventStream })
  }

  identical(
    'it is the global fetch’s where the caller has none of their own',
    (subject, story) => {
      stub('fetch', oneMessage(story))
      return settle(story, subject('http://localhost/', callbacks(story)))
    },
    ['fetch', 'message:1', 'close', 'resolved:undefined'],
  )

  fixed(
    'init may be missing',
    async (subject, story) => {
      stub('fetch', oneMessage(story))
      const call = async () => subject('http://localhost/')
      await settle(story, call())
    },
    ['fetch', 'resolved:undefined'],
    [expect.stringMatching('^rejected:Cannot destructure property') as unknown as string],
  )

  const once = () => ({ method: 'POST', body: body(['once']) })
  const used = new Request('http://localhost/', { method: 'POST', body: 'hello' })
  const mistakes: [string, RequestInfo, FetchEventSourceOptions, string][] = [
    ['a URL that is none', 'http://', {}, 'Expected a valid absolute URL'],
    ['a URL that fetch does not know', 'ftp://localhost/', {}, 'Expected an http or https URL'],
    ['a URL with a password', 'http://me:secret@localhost/', {}, 'Expected a URL without user'],
    [
      'a header that HTTP cannot carry',
      'http://localhost/',
      { headers: { 'x-key': '\n…' } },
      'Expected header "x-key"',
    ],
    [
      'an option that is none of fetch’s',
      'http://localhost/',
      { mode: 'none' as RequestMode },
      '.*none',
    ],
    [
      'a GET with a body',
      'http://localhost/',
      { method: 'GET', body: 'hello' },
      'Expected no body with GET',
    ],
    ['a used Request', used, {}, 'Expected an unread Request'],
  ]
  for (const [what, input, init, message] of mistakes) {
    fixed(
      `${what} is final: onerror is not asked`,
      async (subject, story) => {
        if (!used.bodyUsed) await used.text()
        let asked = 0
        const call = subject(input, {
          ...init,
          onerror(error) {
            story.push(error.name)
            if (++asked === 3) throw mine
            return 0
          },
        })
        await settle(story, call)
      },
      [rejected(message)],
      ['TypeError', 'TypeError', 'TypeError', 'rejected:mine'],
    )
  }

  test('a header of the function’s that HTTP cannot carry is final', async () => {
    const story: Story = []
    await on([], () => ({ headers: () => ({ 'x-key': '\n…' }) }))(fetchEventSource, story)
    expect(story).toEqual([rejected('Expected header "x-key"')])
  })

  fixed(
    'a body that can be sent once is not sent again: that is final',
    on([mine, mine], once),
    ['fetch@0', 'error:mine', rejected('Expected a body that')],
    // A faked fetch reads no body; the real one throws for ever.
    ['fetch@0', 'error:mine', 'fetch@1000', 'error:mine', 'fetch@2000'],
  )

  test('a body that was sent by another call fails once, and then is not sent again', async () => {
    const server = await serve(async (request, response) => {
      await text(request)
      response.writeHead(200, eventStream).end()
    })
    const init = { ...once(), duplex: 'half' }
    await fetchEventSource(server.url, init)
    const onerror = vi.fn()
    await expect(fetchEventSource(server.url, { ...init, onerror })).rejects.toMatchObject({
      code: 'unrepeatable',
    })
    expect(onerror).toHaveBeenCalledTimes(1)
  })

  /** Calls with what is made of the URL of a server that writes down each request and closes. */
  function echoed(make: (url: string) => [RequestInfo, FetchEventSourceOptions], count = 2): Play {
    return async (subject, story) => {
      const server = await serve(async (request, response) => {
        const { method, headers } = request
        const key = headers['x-key'] ?? ''
        story.push(`${method} ${headers['content-type']} ${key} ${await text(request)}`)
        response.writeHead(200, eventStream).end()
      })
      const [input, init] = make(server.url)
      const call = subject(input, {
        onclose() {
          throw mine
        },
        onerror(error) {
          if (error !== mine) story.push(error.name)
          if (error !== mine || story.length === count) throw error
          return 0
        },
        ...init,
      })
      await settle(story, call)
    }
  }
  const post = { method: 'POST', body: 'hello' }

  identical(
    'a body is sent again with each attempt',
    echoed((url) => [url, { ...post, headers: { 'x-key': '1' } }]),
    [
      'POST text/plain;charset=UTF-8 1 hello',
      'POST text/plain;charset=UTF-8 1 hello',
      'rejected:mine',
    ],
  )

  fixed(
    'the body and headers of a Request are sent again with each attempt',
    echoed((url) => [new Request(url, { ...post, headers: { 'x-key': '1' } }), {}]),
    [
      'POST text/plain;charset=UTF-8 1 hello',
      'POST text/plain;charset=UTF-8 1 hello',
      'rejected:mine',
    ],
    [
      'POST undefined  hello',
      'TypeError',
      expect.stringContaining('Request object that has already been used') as unknown as string,
    ],
  )

  identical(
    'fetch gets a Request as it was given, for all that it says',
    async (subject, story) => {
      const request = new Request('http://localhost/', {
        credentials: 'include',
        mode: 'same-origin',
      })
      const call = subject(request, {
        async fetch(input, init) {
          const { credentials, mode } = new Request(input as Request, init)
          story.push(`${input === request} ${credentials} ${mode}`)
          return new Response(body(['data: 1\n\n']), { headers: eventStream })
        },
        ...callbacks(story),
      })
      await settle(story, call)
    },
    ['true include same-origin', 'message:1', 'close', 'resolved:undefined'],
  )

  test('a Request may be used for another call', async () => {
    const story: Story = []
    const server = await serve(async (request, response) => {
      story.push(await text(request))
      response.writeHead(200, eventStream).end()
    })
    const request = new Request(server.url, post)
    await fetchEventSource(request)
    await fetchEventSource(request)
    expect(story).toEqual(['hello', 'hello'])
  })

  test('what init says goes before what a Request says; undefined says nothing', async () => {
    const story: Story = []
    const server = await serve(async (request, response) => {
      const { method, headers } = request
      story.push(`${method} ${headers['x-key']} ${headers['x-other']} ${await text(request)}`)
      response.writeHead(200, eventStream).end()
    })
    const request = new Request(server.url, { method: 'PUT', body: 'a', headers: { 'x-key': '1' } })
    await fetchEventSource(request, { method: undefined, body: undefined, headers: undefined })
    await fetchEventSource(request, { method: 'POST', body: 'b', headers: { 'x-other': '2' } })
    expect(story).toEqual(['PUT 1 undefined a', 'POST undefined 2 b'])
  })

  test('a Request that refuses redirects does so', async () => {
    const server = await serve((_request, response) => {
      response.writeHead(302, { location: '/elsewhere' }).end()
    })
    const init: FetchEventSourceOptions = {
      headers: { 'x-key': '1' },
      onerror(error) {
        throw error
      },
    }
    await expect(
      fetchEventSource(new Request(server.url, { redirect: 'error' }), init),
    ).rejects.toThrow('fetch failed')
  })

  fixed(
    'the signal of a Request ends the call',
    async (subject, story) => {
      const controller = new AbortController()
      const request = new Request('http://localhost/', { signal: controller.signal })
      await play(
        subject,
        story,
        [open('data: 1\n\n', 'data: 2\n\n')],
        () => ({
          signal: undefined,
          onmessage({ data }) {
            story.push(`message:${data}`)
            controller.abort()
          },
        }),
        undefined,
        request,
      )
    },
    ['fetch@0', 'message:1', 'resolved:undefined'],
    ['fetch@0', 'message:1', 'message:2'],
  )

  fixed(
    'the caller’s headers do not follow a redirect to another origin',
    async (subject, story) => {
      const other = await serve((request, response) => {
        story.push(`other:${request.headers['x-key']}`)
        response.writeHead(200, eventStream).end()
      })
      const server = await serve((_request, response) => {
        response.writeHead(307, { location: other.url }).end()
      })
      const call = subject(server.url, {
        headers: { 'x-key': '1' },
        onerror(error) {
          story.push(`error:${error.code}`)
          throw mine
        },
      })
      await settle(story, call)
    },
    ['error:redirect', 'rejected:mine'],
    ['other:1', 'resolved:undefined'],
  )

  identical(
    'a redirect is followed, here with its headers',
    async (subject, story) => {
      const server = await serve((request, response) => {
        story.push(`${request.url} ${request.headers['x-key']}`)
        if (request.url === '/old') response.writeHead(302, { location: '/new' }).end()
        else response.writeHead(200, eventStream).end('data: 1\n\n')
      })
      const init = { headers: { 'x-key': '1' }, ...callbacks(story) }
      await settle(story, subject(`${server.url}/old`, init))
    },
    ['/old 1', '/new 1', 'message:1', 'close', 'resolved:undefined'],
  )
})

describe('abort', () => {
  const stages: [string, Answer[], number, Story][] = [
    ['before the headers have come', [], 10, ['fetch@0']],
    ['while the body is read', [open('data: 1\n\n')], 10, ['fetch@0', 'message:1']],
    ['during the wait', [mine], 10, ['fetch@0', 'error:mine']],
  ]
  for (const [when, answers, delay, before] of stages) {
    identical(
      `${when} resolves with undefined and calls nothing`,
      on(answers, (_story, abort) => {
        setTimeout(abort, delay)
        return {}
      }),
      [...before, 'abort', 'resolved:undefined'],
    )
  }

  identical(
    'resolves while onopen is still waiting',
    on([open('data: 1\n\n')], (story, abort) => ({
      async onopen() {
        setTimeout(abort, 10)
        await pause(1000)
        story.push('opened')
      },
    })),
    ['fetch@0', 'abort', 'resolved:undefined', 'opened'],
  )

  identical(
    'in onopen lets nothing follow',
    on([chunks('data: 1\n\n')], (_story, abort) => ({
      async onopen() {
        abort()
      },
    })),
    ['fetch@0', 'abort', 'resolved:undefined'],
  )

  identical(
    'in onopen silences what that throws',
    on([open('data: 1\n\n')], (_story, abort) => ({
      async onopen() {
        abort()
        throw mine
      },
    })),
    ['fetch@0', 'abort', 'resolved:undefined'],
  )

  fixed(
    'in onmessage lets nothing follow, not even what has come already',
    on([chunks('data: 1\n\ndata: 2\n\n', 'data: 3\n\n')], (story, abort) => ({
      onmessage({ data }) {
        story.push(`message:${data}`)
        abort()
      },
    })),
    ['fetch@0', 'message:1', 'abort', 'resolved:undefined'],
    ['fetch@0', 'message:1', 'abort', 'message:2', 'abort', 'resolved:undefined'],
  )

  identical(
    'in onmessage silences what that throws',
    on([open('data: 1\n\n')], (story, abort) => ({
      onmessage({ data }) {
        story.push(`message:${data}`)
        abort()
        throw mine
      },
    })),
    ['fetch@0', 'message:1', 'abort', 'resolved:undefined'],
  )

  identical(
    'in onclose lets nothing follow',
    on([chunks()], (story, abort) => ({
      onclose() {
        story.push('close')
        abort()
      },
    })),
    ['fetch@0', 'close', 'abort', 'resolved:undefined'],
  )

  identical(
    'in onclose silences what that throws',
    on([chunks()], (story, abort) => ({
      onclose() {
        story.push('close')
        abort()
        throw mine
      },
    })),
    ['fetch@0', 'close', 'abort', 'resolved:undefined'],
  )

  identical(
    'in onerror silences what that throws',
    on([mine], (story, abort) => ({
      onerror() {
        story.push('error')
        abort()
        throw mine
      },
    })),
    ['fetch@0', 'error', 'abort', 'resolved:undefined'],
  )

  fixed(
    'in onerror is the end of the attempts',
    on([mine, mine], (story, abort) => ({
      onerror() {
        story.push('error')
        abort()
      },
    })),
    ['fetch@0', 'error', 'abort', 'resolved:undefined'],
    [
      'fetch@0',
      'error',
      'abort',
      'resolved:undefined',
      'fetch@1000',
      'error',
      'abort',
      'fetch@2000',
    ],
  )

  fixed(
    'while an async onerror is thinking is the end of the attempts',
    on([mine], (story, abort) => ({
      async onerror() {
        story.push('error')
        setTimeout(abort, 10)
        await pause(100)
        return 100
      },
    })),
    ['fetch@0', 'error', 'abort', 'resolved:undefined'],
    ['fetch@0', 'error', 'fetch@0', 'abort', 'resolved:undefined'],
  )

  const moments: [string, Answer, FetchEventSourceOptions][] = [
    ['fetch throws', mine, {}],
    ['the answer is refused', { type: 'text/html', chunks: ['no'] }, {}],
    ['the line is lost', { chunks: ['data: 1\n\n'], after: mine }, {}],
    ['the stream ends', chunks('data: 1\n\n', 'data: 2\n\n'), {}],
    [
      'onclose throws',
      chunks('data: 1\n\n'),
      {
        onclose() {
          throw mine
        },
      },
    ],
    ['onopen is done', chunks('data: 1\n\n'), { onopen: async () => {} }],
  ]
  for (const [when, given, init] of moments) {
    test(`in every microtask around the moment when ${when} lets nothing follow`, async () => {
      for (let count = 0; count < 60; count++) {
        const story: Story = []
        const controller = new AbortController()
        const { signal } = controller
        const told = callbacks(story)
        let ended = false
        const call = fetchEventSource('http://localhost/', {
          signal,
          fetch: answer(story, given),
          ...told,
          ...init,
          onclose() {
            told.onclose()
            init.onclose?.()
          },
        })
        const settled = call.then(
          () => {
            ended = true
          },
          () => story.push('rejected'),
        )
        for (let i = 0; i < count; i++) await undefined
        controller.abort()
        const before = [...story]
        await settled
        await pause(0)
        expect([count, ended, ...story]).toEqual([count, true, ...before])
      }
    })
  }

  test('in the headers function lets nothing follow', async () => {
    const story: Story = []
    const run = on([], (_story, abort) => ({
      async headers() {
        abort()
        return {}
      },
    }))
    await run(fetchEventSource, story)
    expect(story).toEqual(['abort', 'resolved:undefined'])
  })

  for (const reason of [undefined, mine]) {
    fixed(
      `beforehand resolves without a request, whatever the reason (${reason})`,
      (subject, story) =>
        play(subject, story, [open('data: 1\n\n')], () => ({ signal: AbortSignal.abort(reason) })),
      ['resolved:undefined'],
      ['fetch@0', 'message:1'],
    )
  }

  const ends: [string, Answer[], FetchEventSourceOptions, Story, string][] = [
    ['the server’s end', [chunks()], {}, ['fetch@0', 'close'], 'resolved:undefined'],
    [
      'a throw in onerror',
      [mine],
      {
        onerror() {
          throw mine
        },
      },
      ['fetch@0'],
      'rejected:mine',
    ],
  ]
  for (const [what, answers, init, before, settled] of ends) {
    const run: Play = async (subject, story) => {
      const { signal } = new AbortController()
      await play(subject, story, answers, () => ({ signal, ...init }))
      story.push(`listeners:${getEventListeners(signal, 'abort').length}`)
    }
    fixed(
      `no listener stays on the caller’s signal after ${what}`,
      run,
      [...before, settled, 'listeners:0'],
      [...before, settled, 'listeners:1'],
    )
  }
})

/** A message as JSON, which leaves out a `retry` that is undefined. */
const message = (
  data: string,
  { event = '', id = '', retry }: Partial<peer.EventSourceMessage> = {},
) => JSON.stringify({ event, id, data, retry })

/** The messages of a stream that comes in these chunks. */
function read(...wire: (string | Uint8Array)[]): Play {
  return async (subject, story) => {
    await subject('http://localhost/', {
      fetch: async () => new Response(body(wire), { headers: eventStream }),
      onmessage({ event, id, data, retry }) {
        story.push(message(data, { event, id, retry }))
      },
    })
  }
}

describe('a message', () => {
  const utf8 = new TextEncoder().encode('data: é…😀\n\n')
  const rows: [string, (string | Uint8Array)[], Story][] = [
    ['has empty strings for what its block does not say', ['data: 1\n\n'], [message('1')]],
    [
      'has what its block says',
      ['event: tick\nid: 7\nretry: 10\ndata: 1\n\n'],
      [message('1', { event: 'tick', id: '7', retry: 10 })],
    ],
    [
      'has an ID of its own or none: that of another is not carried over',
      ['id: 7\ndata: 1\n\ndata: 2\n\n'],
      [message('1', { id: '7' }), message('2')],
    ],
    [
      'comes of a block with nothing but an ID, a type or a retry',
      ['id: 7\n\nevent: tick\n\nretry: 10\n\n'],
      [message('', { id: '7' }), message('', { event: 'tick' }), message('', { retry: 10 })],
    ],
    ['joins its lines by LF', ['data: 1\ndata: 2\n\n'], [message('1\n2')]],
    ['loses one space after the colon', ['data:1\n\ndata:  2\n\n'], [message('1'), message(' 2')]],
    ['keeps the colons of its value', ['data: a: b:\n\n'], [message('a: b:')]],
    [
      'takes the last of each field',
      ['event: a\nevent: b\nid: 1\nid: 2\ndata:x\n\n'],
      [message('x', { event: 'b', id: '2' })],
    ],
    ['ignores comments and other fields', [': hi\nfoo: bar\ndata: 1\n\n'], [message('1')]],
    [
      'ends at LF, CR or CRLF',
      ['data: 1\n\ndata: 2\r\rdata: 3\r\n\r\n'],
      ['1', '2', '3'].map((data) => message(data)),
    ],
    [
      'may be cut anywhere',
      ['da', 'ta: 1', '\r', '\n', '\r', '\ndata: 2\n', '\n'],
      [message('1'), message('2')],
    ],
    [
      'may be cut inside a character',
      [utf8.slice(0, 7), utf8.slice(7, 13), utf8.slice(13)],
      [message('é…😀')],
    ],
    ['is not one before its blank line', ['data: 1\n\ndata: 2\n'], [message('1')]],
    ['may follow one byte order mark', ['\ufeffdata: 1\n\n'], [message('1')]],
    [
      'of a large stream is complete',
      Array.from({ length: 500 }, (_, i) => `data: ${i}\n\n`),
      Array.from({ length: 500 }, (_, i) => message(`${i}`)),
    ],
  ]
  for (const [title, wire, told] of rows) identical(title, read(...wire), told)

  identical(
    'has the same properties in the same order, whatever its block says',
    on([chunks('data: 1\n\n')], (story) => ({
      onmessage(event) {
        story.push(Object.keys(event).join())
      },
    })),
    ['fetch@0', 'data,event,id,retry', 'close', 'resolved:undefined'],
  )

  const bugs: [string, string[], Story, Story][] = [
    ['keeps an empty first line', ['data:\ndata: 1\n\n'], [message('\n1')], [message('1')]],
    ['keeps its empty lines', ['data:\ndata:\ndata:\n\n'], [message('\n\n')], [message('')]],
    [
      'counts a field without a colon',
      ['data\ndata: 1\ndata\nid: 7\nid\n\n'],
      [message('\n1\n')],
      [message('1', { id: '7' })],
    ],
    ['does not come of a comment', [': ping\n\n'], [], [message('')]],
    [
      'does not come of blank lines',
      ['\n\ndata: 1\n\n\n'],
      [message('1')],
      ['', '', '1', ''].map((data) => message(data)),
    ],
    ['does not come of unknown fields', ['foo: bar\n\n'], [], [message('')]],
    [
      'does not take an ID with NUL',
      ['id: a\0b\ndata: 1\n\n'],
      [message('1')],
      [message('1', { id: 'a\0b' })],
    ],
    [
      'takes a retry of digits only',
      ['retry: 10abc\ndata: 1\n\n'],
      [message('1')],
      [message('1', { retry: 10 })],
    ],
    [
      'takes no negative retry',
      ['retry: -5\ndata: 1\n\n'],
      [message('1')],
      [message('1', { retry: -5 })],
    ],
    ['keeps U+FEFF in its data', ['data: \ufeff1\n\n'], [message('\ufeff1')], [message('1')]],
    ['does not follow a second byte order mark', ['\ufeff\ufeffdata: 1\n\n'], [], [message('')]],
  ]
  for (const [title, wire, told, toldByOriginal] of bugs) {
    fixed(title, read(...wire), told, toldByOriginal)
  }

  fixed(
    'that is cut off does not move the place: the server sends it again',
    requests({}, 'id: 1\ndata: 1\n\nid: 2\ndata: 2\n', ''),
    [
      'accept: text/event-stream',
      'accept: text/event-stream, last-event-id: 1',
      'resolved:undefined',
    ],
    [
      'accept: text/event-stream',
      'accept: text/event-stream, last-event-id: 2',
      'resolved:undefined',
    ],
  )

  const length = 8 << 20
  fixed(
    'of 8 MiB on one line, in chunks of 512 bytes, is read in linear time',
    async (subject, story) => {
      const chunk = new Uint8Array(512).fill(97)
      const chunks = [
        new TextEncoder().encode('data:'),
        ...Array.from({ length: length / chunk.length }, () => chunk),
        new TextEncoder().encode('\n\n'),
      ]
      // Copying what has come with every chunk makes 64 GiB: no machine does that in the time.
      const deadline = performance.now() + 3000
      const bytes = body(chunks).pipeThrough(
        new TransformStream({
          transform(bytes, controller) {
            if (performance.now() > deadline) throw new Error('too slow')
            controller.enqueue(bytes)
          },
        }),
      )
      const call = subject('http://localhost/', {
        fetch: async () => new Response(bytes, { headers: eventStream }),
        onmessage: ({ data }) => {
          story.push(`message of ${data.length}`)
        },
        onerror(error) {
          throw error
        },
      })
      await settle(story, call)
    },
    [`message of ${length}`, 'resolved:undefined'],
    ['rejected:too slow'],
  )

  test('over maxEventSize goes to onerror, after those before it', async () => {
    const story: Story = []
    const wire = 'data: 1\n\ndata: 12345678901234567890\n\n'
    await on([open(wire)], () => ({
      maxEventSize: 19,
      onerror(error) {
        story.push(`error:${error.code}`)
        throw mine
      },
    }))(fetchEventSource, story)
    expect(story).toEqual(['fetch@0', 'message:1', 'error:too-large', 'rejected:mine'])
  })
})

describe('on a real server', () => {
  const wire = (response: ServerResponse, ...chunks: string[]) => {
    response.writeHead(200, eventStream)
    for (const chunk of chunks) response.write(chunk)
  }

  identical(
    'a conversation goes on where it was cut',
    async (subject, story) => {
      let calls = 0
      const server = await serve((request, response) => {
        const { accept, 'last-event-id': id } = request.headers
        story.push(`request:${accept} ${id}`)
        if (++calls === 1) {
          wire(response, 'retry: 5\nid: 1\ndata: 1\n\n')
          setImmediate(() => response.destroy())
        } else response.writeHead(200, eventStream).end('id: 2\ndata: 2\n\n')
      })
      await settle(story, subject(server.url, callbacks(story)))
    },
    [
      'request:text/event-stream undefined',
      'message:1',
      'error:terminated',
      'request:text/event-stream 1',
      'message:2',
      'close',
      'resolved:undefined',
    ],
  )

  identical(
    'an abort closes the socket',
    async (subject, story) => {
      const controller = new AbortController()
      const server = await serve((_request, response) => wire(response, 'data: 1\n\n'))
      const call = subject(server.url, {
        signal: controller.signal,
        onmessage: () => controller.abort(),
      })
      await settle(story, call)
      await server.socketsToBe(0)
      story.push('closed')
    },
    ['resolved:undefined', 'closed'],
  )

  const throwing: [string, FetchEventSourceOptions][] = [
    [
      'onopen',
      {
        async onopen() {
          throw mine
        },
      },
    ],
    [
      'onmessage',
      {
        onmessage() {
          throw mine
        },
      },
    ],
  ]
  for (const [name, init] of throwing) {
    fixed(
      `a throw in ${name} closes the socket before there is another`,
      async (subject, story) => {
        const controller = new AbortController()
        const requests = new EventEmitter()
        const server = await serve((request, response) => {
          request.socket.on('close', () => story.push(`closed:${request.url}`))
          wire(response, 'data: 1\n\n')
          requests.emit('request')
        })
        const twice = once(requests, 'request').then(() => once(requests, 'request'))
        const call = subject(server.url, {
          signal: controller.signal,
          ...init,
          onerror: () => 50,
        })
        await twice
        const left = await within(
          500,
          server.socketsToBe(1).then(() => 1),
          server.sockets.size,
        )
        story.push(`open:${left}`)
        controller.abort()
        await call
      },
      ['closed:/', 'open:1'],
      ['open:2'],
    )
  }
})

describe('without a page', () => {
  const bare =
    (init: FetchEventSourceOptions): Play =>
    async (subject, story) => {
      vi.unstubAllGlobals()
      expect([typeof window, typeof document]).toEqual(['undefined', 'undefined'])
      await on([chunks('data: 1\n\n')], () => init)(subject, story)
    }
  const told = ['fetch@0', 'message:1', 'close', 'resolved:undefined']

  fixed('it runs', bare({}), told, ['rejected:document is not defined'])

  test('openWhenHidden makes no difference', async () => {
    const story: Story = []
    await bare({ openWhenHidden: true })(fetchEventSource, story)
    expect(story).toEqual(told)
  })
})

import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { type FetchEventSourceOptions, fetchEventSource } from '../../src/faces/fetch-event-source'
import {
  type Answer,
  answer,
  callbacks,
  chunks,
  connected,
  fixed,
  identical,
  open,
  type Page,
  type Play,
  pretendPage,
  type Story,
  settle,
} from '../support/drop-in'
import { body } from '../support/response'

/** What the page does, in order: a number is a pause in ms, after which the next step comes. */
type Step = 'hide' | 'show' | 'abort' | 'look' | 'left' | number

/**
 * A row in a page: the subject is called, and then the page lives through these steps. `look`
 * writes down how many connections there are, `left` also how many listeners the page has.
 */
function live(
  answers: Answer[],
  steps: Step[],
  init?: (story: Story, page: Page) => FetchEventSourceOptions,
  hidden = false,
  input: () => RequestInfo = () => 'http://localhost/',
): Play {
  return async (subject, story) => {
    vi.useFakeTimers()
    const page = pretendPage(hidden)
    const controller = new AbortController()
    onTestFinished(() => {
      controller.abort()
      vi.useRealTimers()
    })
    const fetch = answer(story, ...answers)
    const { signal } = controller
    const call = subject(input(), {
      signal,
      fetch,
      ...callbacks(story),
      ...init?.(story, page),
    })
    settle(story, call)
    for (const step of steps) {
      if (step === 'look') story.push(connected(story))
      else if (step === 'left') story.push(`${connected(story)} listeners:${page.watchers}`)
      else if (typeof step === 'number') await vi.advanceTimersByTimeAsync(step)
      else {
        story.push(step)
        if (step === 'abort') controller.abort()
        else page[step]()
      }
    }
  }
}

/** Writes down each opening too. */
const opening = (story: Story): FetchEventSourceOptions => ({
  async onopen() {
    story.push('open')
  },
})

// Not a lost connection: ours believes that only after a moment.
const refused: Answer = { type: 'text/html' }
const MESSAGE = 'Expected content-type to be text/event-stream, Actual: text/html'
const ERROR = `error:${MESSAGE}`

describe('openWhenHidden is false', () => {
  identical(
    'a hidden page has no connection; when it is visible there is one again, from the last ID',
    live(
      [open('id: 7\ndata: 1\n\n'), open('data: 2\n\n')],
      [100, 'look', 'hide', 5000, 'look', 'show', 0, 'look'],
      opening,
    ),
    [
      'fetch@0',
      'open',
      'message:1',
      'connected:1',
      'hide',
      'connected:0',
      'show',
      'fetch@5100 id=7',
      'open',
      'message:2',
      'connected:1',
    ],
  )

  identical(
    'a page hidden before the headers have come takes the request back',
    live([], [100, 'hide', 100, 'look', 'show', 0, 'look']),
    ['fetch@0', 'hide', 'connected:0', 'show', 'fetch@200', 'connected:1'],
  )

  identical(
    'what came with the message that hid the page is still delivered, and not asked for again',
    live(
      [open('id: 1\ndata: 1\n\nid: 2\ndata: 2\n\n'), open()],
      [100, 'show', 0],
      (story, page) => ({
        onmessage({ data }) {
          story.push(`message:${data}`)
          if (data === '1') page.hide()
        },
      }),
    ),
    ['fetch@0', 'message:1', 'message:2', 'show', 'fetch@100 id=2'],
  )

  identical(
    'the first request is sent though the page is hidden, and is read',
    live([chunks('data: 1\n\n')], [0], undefined, true),
    ['fetch@0', 'message:1', 'close', 'resolved:undefined'],
  )

  identical(
    'a page that is hidden from the start holds up no attempt',
    live([refused, refused], [2500], undefined, true),
    ['fetch@0', ERROR, 'fetch@1000', ERROR, 'fetch@2000'],
  )

  for (const when of [
    ['while the page is visible', []],
    ['while the page is hidden', ['hide', 100]],
  ] as [string, Step[]][]) {
    identical(
      `an abort ${when[0]} resolves and leaves no listener`,
      live([open('data: 1\n\n')], [100, ...when[1], 'abort', 0, 'left', 'hide', 'show', 5000]),
      [
        'fetch@0',
        'message:1',
        ...when[1].slice(0, 1).map(String),
        'abort',
        'resolved:undefined',
        'connected:0 listeners:0',
        'hide',
        'show',
      ],
    )
  }

  identical(
    'the server’s end leaves no listener',
    live([chunks('data: 1\n\n')], [100, 'left', 'hide', 'show', 5000]),
    [
      'fetch@0',
      'message:1',
      'close',
      'resolved:undefined',
      'connected:0 listeners:0',
      'hide',
      'show',
    ],
  )

  identical(
    'a throw in onerror leaves no listener',
    live([refused], [100, 'left', 'hide', 'show', 5000], () => ({
      onerror(error) {
        throw error
      },
    })),
    ['fetch@0', `rejected:${MESSAGE}`, 'connected:0 listeners:0', 'hide', 'show'],
  )

  fixed(
    'hidden and visible during the wait: one connection, at once, and no other after it',
    live([refused], [200, 'hide', 200, 'show', 5000, 'look']),
    ['fetch@0', ERROR, 'hide', 'show', 'fetch@400', 'connected:1'],
    ['fetch@0', ERROR, 'hide', 'show', 'fetch@400', 'fetch@1000', 'connected:2'],
  )

  fixed(
    'hidden and visible twice during the wait: one connection',
    live([refused], [200, 'hide', 200, 'show', 100, 'hide', 100, 'show', 5000, 'look']),
    ['fetch@0', ERROR, 'hide', 'show', 'fetch@400', 'hide', 'show', 'fetch@600', 'connected:1'],
    [
      'fetch@0',
      ERROR,
      'hide',
      'show',
      'fetch@400',
      'hide',
      'show',
      'fetch@600',
      'fetch@1000',
      'connected:2',
    ],
  )

  fixed(
    'hidden during the wait: no attempt before the page is visible',
    live([refused], [200, 'hide', 5000, 'look', 'show', 0, 'look']),
    ['fetch@0', ERROR, 'hide', 'connected:0', 'show', 'fetch@5200', 'connected:1'],
    [
      'fetch@0',
      ERROR,
      'hide',
      'fetch@1000',
      'connected:1',
      'show',
      'fetch@5200',
      'error:This operation was aborted',
      'connected:1',
    ],
  )

  fixed(
    'hidden and visible in one go: one connection and no error',
    live([open('data: 1\n\n'), open('data: 2\n\n')], [100, 'hide', 'show', 5000, 'look']),
    ['fetch@0', 'message:1', 'hide', 'show', 'fetch@100', 'message:2', 'connected:1'],
    [
      'fetch@0',
      'message:1',
      'hide',
      'show',
      'fetch@100',
      'error:This operation was aborted',
      'message:2',
      'fetch@1100',
      'connected:2',
    ],
  )

  fixed(
    'hidden and visible while onopen waits: one connection and no error',
    live(
      [open('data: 1\n\n'), open('data: 2\n\n')],
      [100, 'hide', 100, 'show', 5000, 'look'],
      (story) => ({
        async onopen() {
          story.push('open')
          await new Promise((resolve) => setTimeout(resolve, 1000))
        },
      }),
    ),
    ['fetch@0', 'open', 'hide', 'show', 'fetch@200', 'open', 'message:2', 'connected:1'],
    [
      'fetch@0',
      'open',
      'hide',
      'show',
      'fetch@200',
      'open',
      'error:This operation was aborted',
      'message:2',
      'fetch@2000',
      'connected:2',
    ],
  )

  fixed(
    'a page that turns from prerendered to visible keeps its connection',
    live([open('data: 1\n\n'), open('data: 2\n\n')], [100, 'show', 100, 'look']),
    ['fetch@0', 'message:1', 'show', 'connected:1'],
    [
      'fetch@0',
      'message:1',
      'show',
      'fetch@100',
      'error:This operation was aborted',
      'message:2',
      'connected:1',
    ],
  )

  fixed(
    'a page hidden from the start keeps its connection when it is seen, until it is hidden',
    live(
      [open('data: 1\n\n'), open('data: 2\n\n')],
      [100, 'show', 100, 'look', 'hide', 100, 'look'],
      undefined,
      true,
    ),
    ['fetch@0', 'message:1', 'show', 'connected:1', 'hide', 'connected:0'],
    [
      'fetch@0',
      'message:1',
      'show',
      'fetch@100',
      'error:This operation was aborted',
      'message:2',
      'connected:1',
      'hide',
      'connected:0',
    ],
  )

  test('hidden while an async onerror is thinking: no attempt before the page is visible', async () => {
    const story: Story = []
    const run = live([refused], [100, 'hide', 5000, 'look', 'show', 100, 'look'], () => ({
      async onerror() {
        story.push('error')
        await new Promise((resolve) => setTimeout(resolve, 1000))
        return 50
      },
    }))
    await run(fetchEventSource, story)
    expect(story).toEqual([
      'fetch@0',
      'error',
      'hide',
      'connected:0',
      'show',
      'fetch@5100',
      'connected:1',
    ])
  })

  test('hidden and visible while an async onerror is thinking: what it throws is the end', async () => {
    const story: Story = []
    const run = live([refused], [100, 'hide', 100, 'show', 5000, 'left'], () => ({
      async onerror() {
        await new Promise((resolve) => setTimeout(resolve, 1000))
        throw new Error('given up')
      },
    }))
    await run(fetchEventSource, story)
    expect(story).toEqual([
      'fetch@0',
      'hide',
      'show',
      'rejected:given up',
      'connected:0 listeners:0',
    ])
  })

  test('hidden while an async onerror is thinking, visible in the wait: it ends at once', async () => {
    const story: Story = []
    const run = live([refused], [100, 'hide', 2000, 'show', 100, 'look'], () => ({
      async onerror() {
        await new Promise((resolve) => setTimeout(resolve, 1000))
        return 60_000
      },
    }))
    await run(fetchEventSource, story)
    expect(story).toEqual(['fetch@0', 'hide', 'show', 'fetch@2100', 'connected:1'])
  })
})

describe('a method that is not safe', () => {
  const post = (story: Story): FetchEventSourceOptions => ({
    ...opening(story),
    method: 'POST',
    body: 'hello',
  })
  const answers = () => [open('data: 1\n\n'), open('data: 2\n\n')]
  const glance: Step[] = [100, 'hide', 5000, 'look', 'show', 100, 'look']
  const kept = ['fetch@0', 'open', 'message:1', 'hide', 'connected:1', 'show', 'connected:1']
  const cut = [
    ...['fetch@0', 'open', 'message:1', 'hide', 'connected:0'],
    ...['show', 'fetch@5100', 'open', 'message:2', 'connected:1'],
  ]

  fixed(
    'is not cut, and paid again, when its reader looks at another tab',
    live(answers(), glance, post),
    kept,
    cut,
  )

  identical(
    'makes its attempts while the page is hidden',
    live([refused, refused], [100, 'hide', 2500], () => ({ method: 'POST' })),
    ['fetch@0', ERROR, 'hide', 'fetch@1000', ERROR, 'fetch@2000'],
  )

  identical(
    'is cut and sent again where openWhenHidden is false',
    live(answers(), glance, (story) => ({ ...post(story), openWhenHidden: false })),
    cut,
  )

  fixed(
    'of a Request counts as well',
    live(answers(), glance, opening, false, () => {
      return new Request('http://localhost/', { method: 'POST', body: 'hello' })
    }),
    kept,
    cut,
  )

  for (const method of ['GET', 'HEAD', 'OPTIONS', 'QUERY', 'REPORT']) {
    identical(
      `${method} is safe: it is cut and sent again`,
      live(answers(), glance, (story) => ({ ...opening(story), method })),
      cut,
    )
  }

  test('is not cut where its body cannot be sent again', async () => {
    const story: Story = []
    await live(answers(), glance, (story) => ({
      ...post(story),
      body: body(['hello']),
      openWhenHidden: false,
    }))(fetchEventSource, story)
    expect(story).toEqual(kept)
  })
})

test('in a page a lost connection is believed after 100 ms, since leaving it breaks them', async () => {
  const story: Story = []
  await live([new Error('lost')], [99, 'look', 2000])(fetchEventSource, story)
  expect(story).toEqual(['fetch@0', 'connected:0', 'error:lost', 'fetch@1100'])
})

describe('openWhenHidden is true', () => {
  identical(
    'a page that is hidden keeps its connection',
    live([open('data: 1\n\n')], [100, 'hide', 100, 'look', 'show', 100, 'look'], () => ({
      openWhenHidden: true,
    })),
    ['fetch@0', 'message:1', 'hide', 'connected:1', 'show', 'connected:1'],
  )

  identical(
    'a page that is hidden makes its attempts',
    live([refused, refused], [100, 'hide', 2000], () => ({ openWhenHidden: true })),
    ['fetch@0', ERROR, 'hide', 'fetch@1000', ERROR, 'fetch@2000'],
  )
})

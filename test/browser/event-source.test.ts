import { readFileSync } from 'node:fs'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { launch } from './chromium'
import { pageScenarios, scenarios } from './event-source/scenarios.js'
import { createSite, type Site } from './event-source/server'

/** What a class makes of a scenario, and what the server sees of it. */
interface Played {
  readonly story: string[]
  readonly requests: string[]
}

type PlayIn = (
  scope: string,
  scenario: { name: string; key: string; sites: Record<'here' | 'there', string> },
) => Promise<[native: Played, ours: Played]>

interface Difference {
  readonly scenarios: readonly string[]
  /** As docs/spec.md has it. */
  readonly reason: string
  /** The stories, where they differ. */
  readonly story?: readonly [native: string[], ours: string[]]
  /** The requests' methods, where the requests differ. */
  readonly methods?: readonly [native: string[], ours: string[]]
}

/** All in which Chromium's own class and ours differ, and why. */
const differences: readonly Difference[] = [
  {
    scenarios: ['the fields of the events'],
    reason: 'Only the browser can make an event trusted.',
    // All else is the same: see below.
  },
  {
    scenarios: [
      'another origin that allows any, with credentials',
      'another origin that allows this one, but not its credentials',
      'another origin that allows another',
      'another origin that allows none',
    ],
    reason:
      'A page is not told that CORS is what kept the answer from it, so it asks, without CORS, whether there is a server at all, and then once more for the stream.',
    methods: [['GET'], ['GET', 'HEAD', 'GET']],
  },
  {
    scenarios: ['a redirect from origin to origin: there, which allows none'],
    reason:
      'A page cannot see where a redirect led that then failed, so it takes it for the network.',
    story: [['error:2'], ['error:0']],
  },
  {
    scenarios: ['a redirect to another scheme'],
    reason:
      'A page cannot see where a redirect led that then failed, so it takes it for the network.',
    story: [['error:2'], ['error:0']],
  },
  {
    scenarios: ['a reconnect to another origin, with an ID'],
    reason:
      'A script’s `Last-Event-ID` needs a preflight on the way to another origin; the browser’s own does not.',
    story: [
      ['open:1', 'message:1:1:1:there', 'error:0', 'open:1', 'message:1:2:1:there'],
      ['open:1', 'message:1:1:1:there', 'error:0', 'error:0', 'error:0'],
    ],
    methods: [
      ['GET', 'GET'],
      ['GET', 'OPTIONS', 'OPTIONS'],
    ],
  },
  {
    scenarios: ['an async function that awaits more than once'],
    reason:
      'The browser gives each event a task; here the events of one chunk share one, with a microtask between them, because a task costs more than an event.',
    story: [
      ['1 before', '1 between', '1 after', '2 before', '2 between', '2 after'],
      ['1 before', '1 between', '2 before', '1 after', '2 between', '2 after'],
    ],
  },
  {
    scenarios: ['window.stop() while connecting'],
    reason: 'A request that `window.stop()` ends looks to a page like one that the network ended.',
    story: [['error:2'], ['error:0']],
  },
  {
    scenarios: ['window.stop() while open'],
    reason: 'A request that `window.stop()` ends looks to a page like one that the network ended.',
    story: [
      ['open:1', 'message:1:1::here', 'error:2'],
      ['open:1', 'message:1:1::here', 'error:0', 'open:1', 'message:1:2::here'],
    ],
    methods: [['GET'], ['GET', 'GET']],
  },
  {
    scenarios: ['a frame that goes away'],
    reason:
      'The scripts of a frame that is gone run no more; only the browser can tell its listeners.',
    story: [
      ['open:1', 'message:1', 'error:2'],
      ['open:1', 'message:1'],
    ],
  },
  {
    scenarios: ['a page whose policy forbids the URL'],
    reason: 'A page is not told that its own policy is what kept a request from being sent.',
    story: [['error:2'], ['error:0']],
  },
  {
    scenarios: ['a class of another realm'],
    reason:
      'Chromium makes events in the realm of the listener, the standard in that of the source.',
    story: [
      ['the listener’s realm', 'the listener’s realm'],
      ['the source’s realm', 'the source’s realm'],
    ],
  },
  {
    scenarios: ['content type "text/event-stream; charset=windows-1252"'],
    reason: 'Chromium refuses every charset but UTF-8; the standard ignores the parameter.',
    story: [['error:2'], ['open:1', 'message:1:é::here', 'error:0']],
  },
  {
    scenarios: ['content type "text/event-stream foo"'],
    reason: 'Chromium takes what is before a space for the type; to the standard it is none.',
    story: [['open:1', 'message:1:é::here', 'error:0'], ['error:2']],
  },
]

const scopes = ['window', 'dedicated worker', 'shared worker'] as const
type Scope = (typeof scopes)[number]

let here: Site
let there: Site
let browser: Browser
let pages: Record<Scope, Page>

beforeAll(async () => {
  const logs = new Map<string, string[]>()
  here = await createSite(logs)
  there = await createSite(logs)
  browser = await launch()
  // In contexts of their own, so that no scope waits for the connections of another.
  const open = async () => {
    const page = await (await browser.newContext()).newPage()
    await page.goto(`${here.url}/page`)
    return page
  }
  pages = { window: await open(), 'dedicated worker': await open(), 'shared worker': await open() }
})

afterAll(async () => {
  await browser?.close()
  await here?.close()
  await there?.close()
})

describe('in a window, a dedicated worker and a shared worker', () => {
  test.each(Object.keys(scenarios))('%s', (name) => compare(name, scopes))
})

describe('in a window', () => {
  test.each(Object.keys(pageScenarios))('%s', (name) => compare(name, ['window']))
})

async function compare(name: string, scopes: readonly Scope[]): Promise<void> {
  const played = await Promise.all(scopes.map((scope) => play(name, scope)))
  const known = differences.find((difference) => difference.scenarios.includes(name))
  for (const [i, [native, ours]] of played.entries()) {
    const scope = `in a ${scopes[i]}`
    if (known?.story) expect([native.story, ours.story], scope).toEqual(known.story)
    else expect(ours.story.map(untrusted), scope).toEqual(native.story.map(untrusted))
    if (known?.methods) {
      expect([native.requests.map(method), ours.requests.map(method)], scope).toEqual(known.methods)
    } else expect(ours.requests, scope).toEqual(native.requests)
    if (known) expect(ours, scope).not.toEqual(native)
  }
}

function play(name: string, scope: Scope): Promise<[native: Played, ours: Played]> {
  const sites = { here: here.url, there: there.url }
  return pages[scope].evaluate(
    ([scope, scenario]) => (globalThis as unknown as { playIn: PlayIn }).playIn(scope, scenario),
    [scope, { name, key: `${scope}, ${name}`, sites }] as const,
  )
}

test('every difference is told in docs/spec.md', () => {
  const text = readFileSync(new URL('../../docs/spec.md', import.meta.url), 'utf8')
  for (const { reason } of differences) expect(text).toContain(reason)
})

/** The one field in which even the best of scripts must differ. */
const untrusted = (line: string) => line.replace('isTrusted: true', 'isTrusted: false')
const method = (request: string) => request.split(' ')[0]

import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Browser, ConsoleMessage, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { region } from '../../docs/demo/app/regions'
import { buildDemoPage } from '../../docs/demo/build.js'
import { createDemoServer } from '../../docs/demo/server.js'
import { launch } from './chromium'

/** Milliseconds any one thing on the page may take. */
const patience = 10_000
vi.setConfig({ testTimeout: 4 * patience })

let browser: Browser
let server: Awaited<ReturnType<typeof createDemoServer>>
let page: Page

/** The `Last-Event-ID` of every request for an answer. */
const answersFrom: (string | undefined)[] = []

/** What the console complained about, but for what a lost line and a 401 make Chromium say. */
const complaints: string[] = []

beforeAll(async () => {
  // Installing a browser, where there is none, is what takes long here.
  await buildDemoPage()
  server = await createDemoServer({ tokenSeconds: 4, typingMs: 40 })
  browser = await launch()
  page = await browser.newPage()
  page.setDefaultTimeout(patience)
  page.on('console', (message) => {
    if (!isForcedFailure(message)) complaints.push(`${message.type()}: ${message.text()}`)
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('request', (request) => {
    if (request.url().endsWith('/api/answer')) answersFrom.push(request.headers()['last-event-id'])
  })
  await page.goto(server.url)
}, 300_000)

afterAll(async () => {
  await browser?.close()
  await server?.close()
})

/** Chromium reports requests that fail as errors of its own; scripts cannot keep it from that. */
function isForcedFailure(message: ConsoleMessage): boolean {
  const { pathname } = new URL(message.location().url || 'none:')
  const forced = /401 \(Unauthorized\)|ERR_INCOMPLETE_CHUNKED_ENCODING/.test(message.text())
  return forced && ['/api/prices', '/api/answer'].includes(pathname)
}

const button = (name: string) => page.getByRole('button', { name })
const panel = (name: string) => page.getByRole('region', { name, exact: true })
const status = (name: string) => page.locator(`[data-status="${name}"]`).waitFor()

/** Waits for a line of the story, and returns it. */
const story = (text: string | RegExp) => page.getByText(text).first().innerText()

async function count(name: string): Promise<number> {
  return Number(await page.locator(`[data-count="${name}"]`).innerText())
}

/** Waits until a counter of the page is over `floor`. */
async function countOver(name: string, floor: number): Promise<void> {
  const found = { selector: `[data-count="${name}"]`, floor }
  await page.waitForFunction(
    ({ selector, floor }) => Number(document.querySelector(selector)?.textContent) > floor,
    found,
  )
}

async function nothingLost(): Promise<void> {
  expect({ missed: await count('missed'), doubled: await count('doubled') }).toEqual({
    missed: 0,
    doubled: 0,
  })
}

test('the page logs in and shows live prices over a bearer stream', async () => {
  await page.getByLabel('Your name').fill('Grace')
  await button('Log in').click()
  await status('open')
  await countOver('received', 4)
  expect(await panel('Prices').getByRole('listitem').count()).toBe(4)
})

test('a line cut in the middle of an event is resumed with nothing missed and nothing doubled', async () => {
  await status('open')
  await button('Cut the line').click()
  const told = await story('You cut the line in the middle of event')
  const [, half] = /event (\d+)\.$/.exec(told) ?? []
  // The half that came does not count: the place is still the event before it.
  await story(`resumed after event ${Number(half) - 1}.`)
  await page.locator('rect.waiting').first().waitFor({ state: 'attached' })
  const received = await count('received')
  await countOver('received', received + 2)
  await nothingLost()
})

test('an expired token is refreshed on a 401 and the feed goes on', async () => {
  const refreshes = await count('refreshes')
  await countOver('refreshes', refreshes)
  await status('open')
  const received = await count('received')
  await countOver('received', received + 2)
  await nothingLost()
})

test('a chat message is sent with send() and comes back on the stream, as text and not as HTML', async () => {
  const text = 'Ahoy <b>you</b>'
  await panel('Chat').getByLabel('Your message').fill(text)
  await button('Send').click()
  await panel('Chat').getByText(text).waitFor()
  await panel('Chat').getByText('Grace', { exact: true }).waitFor()
  await nothingLost()
})

test('an answer can be stopped, continued and cut, and ends up whole', async () => {
  const answer = panel('Answer')
  await answer.getByRole('button', { name: 'Ask' }).click()
  await countOver('tokens', 5)
  await answer.getByRole('button', { name: 'Stop' }).click()
  await answer.getByRole('button', { name: 'Continue' }).waitFor()
  const stopped = await answer.locator('[data-answer]').innerText()
  const tokens = await count('tokens')

  await answer.getByRole('button', { name: 'Continue' }).click()
  await countOver('tokens', tokens + 5)
  await status('open')
  await button('Cut the line').click()
  await answer.getByText('watch me finish the sentence.').waitFor()
  const [first, continued, resumed] = answersFrom
  expect(first).toBeUndefined()
  expect(Number(continued)).toBeGreaterThan(5)
  expect(Number(resumed)).toBeGreaterThan(Number(continued))
  const whole = await answer.locator('[data-answer]').innerText()
  expect(whole.startsWith(stopped.trim())).toBe(true)
  expect(whole.match(/Every event carries a number/g)).toHaveLength(1)
})

test('Stop closes the feed, and Retry picks up what was sent meanwhile', async () => {
  await status('open')
  await panel('One live feed').getByRole('button', { name: 'Stop' }).click()
  await status('closed')
  const caughtUp = await count('caughtUp')
  const received = await count('received')
  // Somebody else's message is an event that passes this page by.
  await sayFromElsewhere('while you were away')
  expect(await count('received')).toBe(received)
  await button('Retry').click()
  await panel('Chat').getByText('while you were away').waitFor()
  await countOver('caughtUp', caughtUp)
  await nothingLost()
})

test("the panels and Vue's guide show the same code of the demo", async () => {
  const docs = new URL('../../docs/', import.meta.url)
  const read = (path: string) => readFileSync(new URL(path, docs), 'utf8')
  const shown = (await page.locator('section > code').allTextContents()).join('\n')
  const snippets = [...read('guide/vue.md').matchAll(/^<<< @\/(.+)#(.+)$/gm)]
  const names = snippets.map(([, path = '', name = '']) => {
    expect(shown).toContain(region(read(path), name))
    return name
  })
  expect(names).toEqual(['answer', 'token', 'feed', 'chat'])
})

test('the page never complained', () => {
  expect(complaints).toEqual([])
})

test('the headless check passes, and its process exits by itself', async () => {
  const start = fileURLToPath(new URL('../../docs/demo/start.js', import.meta.url))
  const run = promisify(execFile)(process.execPath, [start, '--check'])
  // It fails with an exit code, and what it printed says why.
  const { stdout } = await run.catch((failure: { stdout: string }) => failure)
  expect(stdout).toMatch(/ 0 failed/)
})

async function sayFromElsewhere(data: string): Promise<void> {
  const login = await fetch(`${server.url}/api/login`, { method: 'POST' })
  const { token } = (await login.json()) as { token: string }
  const sent = await fetch(`${server.url}/api/prices`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ type: 'chat', data }),
  })
  expect(sent.status).toBe(202)
}

import { createServer } from 'node:net'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { chromiumPath } from './chromium'
import { createSite } from './page-life/server'

type Which = 'ours' | 'native'
interface Life {
  story: string[]
  ids: number[]
  start(which: Which, url: string, onlyVisible?: boolean): void
  losses(): { missed: number; doubled: number }
  source: { close(): void; readyState: number }
}
declare const page: Life

let site: Awaited<ReturnType<typeof createSite>>
let launched: Browser
let browser: Browser
let context: BrowserContext

beforeAll(async () => {
  site = await createSite()
  const port = await freePort()
  launched = await chromium.launch({
    executablePath: chromiumPath(),
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', `--remote-debugging-port=${port}`],
    // Playwright leaves this cache out.
    ignoreDefaultArgs: ['--disable-back-forward-cache'],
  })
  // A second hand on it that does not make every tab believe it is in front, as Playwright does.
  browser = await chromium.connectOverCDP(`http://127.0.0.1:${port}`, { noDefaults: true })
  context = browser.contexts()[0] as BrowserContext
})

afterAll(async () => {
  await browser?.close()
  await launched?.close()
  await site?.close()
})

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** A tab in front, with a stream that has brought events. */
async function open(name: string, which: Which, onlyVisible = false): Promise<Page> {
  const tab = await context.newPage()
  await tab.bringToFront()
  await tab.goto(`${site.url}/`)
  await tab.waitForFunction(() => 'page' in globalThis && document.visibilityState === 'visible')
  await tab.evaluate(
    ([which, name, onlyVisible]) => {
      // What the page's own coming was is no part of the story.
      page.story.length = 0
      page.start(which, `/feed/${name}`, onlyVisible)
    },
    [which, name, onlyVisible] as const,
  )
  await more(tab)
  return tab
}

/** Waits until events have come that had not. */
async function more(tab: Page): Promise<void> {
  const count = await tab.evaluate(() => page.ids.length)
  await tab.waitForFunction((count) => page.ids.length > count + 2, count, { polling: 20 })
}

const story = (tab: Page) => tab.evaluate(() => page.story)
const losses = (tab: Page) => tab.evaluate(() => page.losses())

/** Waits until the server has as many connections for a feed, and has sent others events since. */
async function connections(name: string, count: number): Promise<void> {
  // A socket that is let go counts until the server hears of it, so a second one is no leak at once.
  const settled = async () => {
    const { now } = site.feed(name)
    await new Promise((resolve) => setTimeout(resolve, 100))
    return [now, site.feed(name).now]
  }
  await expect.poll(settled, { timeout: 10_000, interval: 10 }).toEqual([count, count])
}

/** The last event that the tab had when its connection was dropped. */
const lastId = (tab: Page) => tab.evaluate(() => String(page.ids.at(-1)))

async function close(tab: Page, name: string): Promise<void> {
  await tab.evaluate(() => page.source.close())
  await connections(name, 0)
  await tab.close()
}

describe('another tab in front', () => {
  test('with whenVisible the stream is closed, and resumes without a loss when seen', async () => {
    const name = 'hidden'
    const tab = await open(name, 'ours', true)
    const other = await context.newPage()
    await other.bringToFront()
    await connections(name, 0)
    const from = await lastId(tab)
    await tab.bringToFront()
    await more(tab)
    expect(await story(tab)).toEqual(['open', 'hidden', 'visible', 'open'])
    expect(site.feed(name)).toEqual({ requests: ['', from], most: 1, now: 1 })
    expect(await losses(tab)).toEqual({ missed: 0, doubled: 0 })
    await other.close()
    await close(tab, name)
  })

  test('quick changes of tabs never make two connections', async () => {
    const name = 'flicker'
    const tab = await open(name, 'ours', true)
    const other = await context.newPage()
    for (let turn = 0; turn < 10; turn++) {
      await other.bringToFront()
      await tab.bringToFront()
    }
    await connections(name, 1)
    await more(tab)
    const told = await story(tab)
    const changes = ['open', 'hidden', 'visible']
    expect(told.filter((line) => !changes.includes(line))).toEqual([])
    expect(told.filter((line) => line === 'hidden').length).toBeGreaterThan(1)
    expect(site.feed(name).now).toBe(1)
    expect(await losses(tab)).toEqual({ missed: 0, doubled: 0 })
    await other.close()
    await close(tab, name)
  })

  for (const which of ['ours', 'native'] as const) {
    test(`without it ${which} keeps the connection`, async () => {
      const name = `kept-${which}`
      const tab = await open(name, which)
      const other = await context.newPage()
      await other.bringToFront()
      await more(tab)
      await tab.bringToFront()
      await expect.poll(() => story(tab)).toEqual(['open', 'hidden', 'visible'])
      expect(site.feed(name)).toEqual({ requests: [''], most: 1, now: 1 })
      expect(await losses(tab)).toEqual({ missed: 0, doubled: 0 })
      await other.close()
      await close(tab, name)
    })
  }
})

describe('the network', () => {
  test('offline at the start: it asks all the same, and comes back as soon as it is online', async () => {
    const name = 'offline-first'
    const tab = await context.newPage()
    await tab.goto(`${site.url}/`)
    await tab.waitForFunction(() => 'page' in globalThis)
    await context.setOffline(true)
    await tab.waitForFunction(() => !navigator.onLine)
    await tab.evaluate((name) => page.start('ours', `/feed/${name}`), name)
    // A server on this machine would have answered.
    await tab.waitForFunction(() => page.story.includes('error:0'))
    expect(site.feed(name).requests).toEqual([])
    const began = performance.now()
    await context.setOffline(false)
    await more(tab)
    // The wait would have been 3 s at least.
    expect(performance.now() - began).toBeLessThan(2000)
    const told = await story(tab)
    expect(told.slice(told.indexOf('offline'))).toEqual(['offline', 'error:0', 'online', 'open'])
    expect(site.feed(name)).toEqual({ requests: [''], most: 1, now: 1 })
    await close(tab, name)
  })

  test('lost and back: one error event, and one attempt as soon as it is back', async () => {
    const name = 'lost'
    const tab = await open(name, 'ours')
    await context.setOffline(true)
    await tab.waitForFunction(() => !navigator.onLine)
    site.cut(name)
    await tab.waitForFunction(() => page.story.includes('error:0'))
    const from = await lastId(tab)
    await connections(name, 0)
    const began = performance.now()
    await context.setOffline(false)
    await more(tab)
    // The wait would have been 3 s at least.
    expect(performance.now() - began).toBeLessThan(2000)
    expect(await story(tab)).toEqual(['open', 'offline', 'error:0', 'online', 'open'])
    expect(site.feed(name)).toEqual({ requests: ['', from], most: 1, now: 1 })
    expect(await losses(tab)).toEqual({ missed: 0, doubled: 0 })
    await close(tab, name)
  })

  test('the native class makes attempts that must fail, and comes back when its wait is over', async () => {
    const name = 'lost-native'
    const tab = await open(name, 'native')
    await context.setOffline(true)
    await tab.waitForFunction(() => !navigator.onLine)
    site.cut(name)
    await tab.waitForFunction(
      () => page.story.filter((line) => line === 'error:0').length > 1,
      undefined,
      { timeout: 20_000 },
    )
    await context.setOffline(false)
    await close(tab, name)
  })
})

describe('the back/forward cache', () => {
  /** Away and back; the tab is out of reach of scripts meanwhile. */
  async function awayAndBack(tab: Page, name: string, during: number): Promise<void> {
    await tab.goto(`${site.url}/elsewhere`)
    await connections(name, during)
    await tab.goBack({ waitUntil: 'commit' })
    await tab.waitForFunction(() => page.story.includes('pageshow:true'), undefined, {
      polling: 20,
    })
  }

  test('freezes without a connection and resumes without an error event or a loss', async () => {
    const name = 'cached'
    const tab = await open(name, 'ours')
    await awayAndBack(tab, name, 0)
    await more(tab)
    expect(await story(tab)).toEqual([
      ...['open', 'pagehide:true', 'hidden', 'visible', 'pageshow:true', 'open'],
    ])
    const { requests, most, now } = site.feed(name)
    expect({ requests: requests.length, most, now }).toEqual({ requests: 2, most: 1, now: 1 })
    expect(Number(requests[1])).toBeGreaterThan(0)
    expect(await losses(tab)).toEqual({ missed: 0, doubled: 0 })
    await close(tab, name)
  })

  test('keeps the native class’s connection open for a page that nobody sees', async () => {
    const name = 'cached-native'
    const tab = await open(name, 'native')
    await awayAndBack(tab, name, 1)
    await more(tab)
    expect(await story(tab)).toEqual([
      ...['open', 'pagehide:true', 'hidden', 'visible', 'pageshow:true'],
    ])
    expect(site.feed(name)).toEqual({ requests: [''], most: 1, now: 1 })
    expect(await losses(tab)).toEqual({ missed: 0, doubled: 0 })
    await close(tab, name)
  })

  for (const [which, kept] of [
    ['ours', true],
    ['native', false],
  ] as const) {
    test(`${kept ? 'keeps' : 'drops'} a page with ${which} whose server says much meanwhile`, async () => {
      const name = `flood-${which}`
      const tab = await open(name, which)
      await tab.goto(`${site.url}/elsewhere`)
      if (kept) await connections(name, 0)
      site.flood(name)
      await connections(name, 0)
      await tab.goBack({ waitUntil: 'commit' })
      await tab.waitForFunction(() => 'page' in globalThis && page.story.length > 0)
      expect((await story(tab)).includes('pageshow:true')).toBe(kept)
      if (kept) {
        await more(tab)
        expect(await losses(tab)).toEqual({ missed: 0, doubled: 0 })
      }
      await tab.close()
      await connections(name, 0)
    })
  }

  test('does so as often as the page comes and goes', async () => {
    const name = 'cached-twice'
    const tab = await open(name, 'ours')
    await awayAndBack(tab, name, 0)
    await more(tab)
    await tab.evaluate(() => {
      page.story.length = 0
    })
    await awayAndBack(tab, name, 0)
    await more(tab)
    expect((await story(tab)).at(-1)).toBe('open')
    expect(site.feed(name)).toMatchObject({ most: 1, now: 1 })
    expect(await losses(tab)).toEqual({ missed: 0, doubled: 0 })
    await close(tab, name)
  })
})

import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { launch } from './chromium'
import type { FeedPage } from './react-vue/page'
import { createSite, type Framework, frameworks } from './react-vue/site'

declare const page: FeedPage

let site: Awaited<ReturnType<typeof createSite>>
let browser: Browser

beforeAll(async () => {
  site = await createSite()
  browser = await launch()
})

afterAll(async () => {
  await browser?.close()
  await site?.close()
})

/** A tab that shows this feed; whatever its console warns of fails the test. */
async function open(framework: Framework, name: string): Promise<Page> {
  const tab = await browser.newPage()
  const complaints: string[] = []
  tab.on('pageerror', (error) => complaints.push(error.message))
  tab.on('console', (message) => {
    // The network's own: a test that cuts a connection has asked for it.
    const own = message.location().url.includes('/feed/')
    if (/warning|error/.test(message.type()) && !own) complaints.push(message.text())
  })
  onTestFinished(async () => {
    await tab.close()
    expect(complaints).toEqual([])
  })
  await tab.goto(`${site.url}/${framework}`)
  await tab.waitForFunction(() => 'page' in globalThis)
  await tab.evaluate((name) => page.show(name), name)
  return tab
}

const shows = (tab: Page, text: string) =>
  expect.poll(() => tab.textContent('p'), { interval: 5, timeout: 10_000 }).toBe(text)
const connections = (name: string, count: number) =>
  expect.poll(() => site.feed(name).open.size, { interval: 5, timeout: 10_000 }).toBe(count)
const numbers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index)
    .map((id) => `id: ${id}\ndata: ${id}\n\n`)
    .join('')

describe.each(frameworks)('useEvents of %s in a page', (framework) => {
  test('shows what comes over one connection, and closes it on unmount', async () => {
    const name = `${framework}-shown`
    const tab = await open(framework, name)
    await shows(tab, `${name} open`)
    site.write(name, numbers(1, 2))
    await shows(tab, `${name} open 1,2`)
    site.write(name, numbers(3, 5))
    await shows(tab, `${name} open 3,4,5`)
    await tab.evaluate(() => page.unmount())
    await connections(name, 0)
    expect(site.feed(name).requests).toEqual([''])
  })

  test('goes on after the last event where the connection was cut', async () => {
    const name = `${framework}-cut`
    const tab = await open(framework, name)
    await shows(tab, `${name} open`)
    site.write(name, numbers(1, 2))
    await shows(tab, `${name} open 1,2`)
    site.cut(name)
    await expect.poll(() => site.feed(name).requests).toEqual(['', '2'])
    await shows(tab, `${name} open 1,2`)
    site.write(name, numbers(3, 3))
    await shows(tab, `${name} open 1,2,3`)
    expect(await tab.evaluate(() => page.texts)).toContain(`${name} waiting 1,2 error`)
  })

  test('another URL is another connection, no URL is none', async () => {
    const [name, other] = [`${framework}-one`, `${framework}-other`]
    const tab = await open(framework, name)
    await shows(tab, `${name} open`)
    site.write(name, numbers(1, 2))
    await shows(tab, `${name} open 1,2`)
    await tab.evaluate((other) => page.show(other), other)
    await shows(tab, `${other} open`)
    await connections(name, 0)
    await tab.evaluate(() => page.show(null))
    await shows(tab, 'idle')
    await connections(other, 0)
    expect([site.feed(name).requests, site.feed(other).requests]).toEqual([[''], ['']])
    const texts = await tab.evaluate(() => page.texts)
    expect(texts.filter((text) => text.startsWith(other) && /\d$/.test(text))).toEqual([])
  })

  test('10,000 events, each a write of its own, make no more than a few hundred renders', async () => {
    const name = `${framework}-flood`
    const tab = await open(framework, name)
    await shows(tab, `${name} open`)
    for (let id = 1; id <= 10_000; id++) site.write(name, numbers(id, id))
    await shows(tab, `${name} open 9998,9999,10000`)
    expect(await tab.evaluate(() => page.texts.length)).toBeLessThan(500)
  })
})

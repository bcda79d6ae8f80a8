import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import express from 'express'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { launch } from './chromium'

vi.setConfig({ testTimeout: 300_000 })

const root = fileURLToPath(new URL('../..', import.meta.url))
const dist = mkdtempSync(join(tmpdir(), 'tidings-docs-'))
const phone = { width: 360, height: 740 }

let server: Server
let browser: Browser
let url: string

beforeAll(async () => {
  const run = (...args: string[]) => promisify(execFile)(process.execPath, args, { cwd: root })
  await run('node_modules/typedoc/bin/typedoc', '--options', 'docs/.vitepress/typedoc.json')
  await run('node_modules/vitepress/bin/vitepress.js', 'build', 'docs', '--outDir', dist)
  server = createServer(express().use(express.static(dist)))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as { port: number }).port}`
  browser = await launch()
}, 600_000)

afterAll(async () => {
  await browser?.close()
  server?.close()
  rmSync(dist, { recursive: true, force: true })
})

/** A tab on a phone, and what the browser complains about in it. */
async function newTab(): Promise<{ page: Page; complaints: string[] }> {
  const page = await browser.newPage({ viewport: phone })
  onTestFinished(() => page.close())
  const complaints: string[] = []
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('requestfailed', (request) => {
    const why = request.failure()?.errorText
    // The page is left while it fetches ahead what its links lead to.
    if (why !== 'net::ERR_ABORTED') complaints.push(`${why}: ${request.url()}`)
  })
  page.on('response', (response) => {
    if (response.status() >= 400) complaints.push(`${response.status()}: ${response.url()}`)
  })
  page.on('request', (request) => {
    if (!request.url().startsWith(url)) complaints.push(`elsewhere: ${request.url()}`)
  })
  return { page, complaints }
}

const pages = () =>
  readdirSync(dist, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.html') && name !== '404.html')
    .map((name) => `/${name}`)

test('every page opens without a complaint, and is no wider than a phone', async () => {
  expect(pages()).toContain('/zh/tutorial.html')
  const wrong: Record<string, unknown> = {}
  const left = pages()
  const visit = async () => {
    const { page, complaints } = await newTab()
    for (let path = left.pop(); path; path = left.pop()) {
      // The scripts have run, too, and have taken the page over.
      await page.goto(url + path, { waitUntil: 'networkidle' })
      const { scrollWidth } = await page.evaluate(() => ({
        scrollWidth: document.documentElement.scrollWidth,
      }))
      if (scrollWidth > phone.width) complaints.push(`${scrollWidth} px wide`)
      if (complaints.length > 0) wrong[path] = complaints.splice(0)
    }
  }
  // Side by side, since a page is mostly waited for until its network is idle.
  await Promise.all([visit(), visit(), visit(), visit()])
  expect(wrong).toEqual({})
})

test('every link within the site leads to a page, and to a heading that is there', () => {
  const ids = new Map<string, Set<string>>()
  const html = (path: string) => readFileSync(join(dist, path), 'utf8')
  const idsOf = (path: string) => {
    const known =
      ids.get(path) ??
      new Set([...html(path).matchAll(/ id="([^"]+)"/g)].map(([, id]) => id as string))
    ids.set(path, known)
    return known
  }
  const dead: string[] = []
  for (const path of pages()) {
    for (const [, href = ''] of html(path).matchAll(/<a [^>]*href="([^"]*)"/g)) {
      const { pathname, hash, origin } = new URL(href, `http://site${path}`)
      if (origin !== 'http://site') continue
      const file = pathname.endsWith('/') ? `${pathname}index.html` : pathname
      if (!existsSync(join(dist, file))) dead.push(`${path}: ${href}`)
      else if (hash && !idsOf(file).has(decodeURIComponent(hash.slice(1)))) {
        dead.push(`${path}: ${href}`)
      }
    }
  }
  expect(dead).toEqual([])
})

test('every page of the reference is in the sidebar', () => {
  const html = readFileSync(join(dist, 'start.html'), 'utf8')
  const linked = new Set(
    [...html.matchAll(/ href="([^"]+)"/g)].map(([, href]) => href?.replace(/\/$/, '/index.html')),
  )
  const reference = pages().filter((path) => path.startsWith('/reference/'))
  expect(reference).toContain('/reference/tidings/functions/events.html')
  expect(reference.filter((path) => !linked.has(path))).toEqual([])
})

test.each([
  ['/', 'last event ID', 'Search'],
  ['/', 'Retry-After', 'Search'],
  ['/zh/', '断线', '搜索'],
])('on %s, a search for "%s" finds pages, and one opens', async (home, words, button) => {
  const { page, complaints } = await newTab()
  await page.goto(url + home, { waitUntil: 'networkidle' })
  await page.getByRole('button', { name: button }).first().click()
  await page.getByRole('searchbox').fill(words)
  const first = page.locator('.VPLocalSearchBox .result').first()
  await first.waitFor()
  await first.click()
  await page.waitForURL((to) => to.pathname !== home)
  const main = await page.locator('main').innerText()
  for (const word of words.split(/[ -]/)) expect(main.toLowerCase()).toContain(word.toLowerCase())
  expect(complaints).toEqual([])
})

test('the language switch leads to the Chinese home, and that to the tutorial', async () => {
  const { page } = await newTab()
  await page.setViewportSize({ width: 1280, height: 800 })
  await page.goto(`${url}/tutorial.html`, { waitUntil: 'networkidle' })
  await page.getByRole('button', { name: 'Change language' }).click()
  await page.getByRole('link', { name: '简体中文' }).click()
  await page.waitForURL('**/zh/')
  await page.getByRole('link', { name: '教程', exact: true }).first().click()
  await page.waitForURL('**/zh/tutorial.html')
  expect(await page.locator('html').getAttribute('lang')).toBe('zh-CN')
})

test('llms.txt lists the English pages, and llms-full.txt has their text', () => {
  const list = readFileSync(join(dist, 'llms.txt'), 'utf8')
  const own = pages().filter((path) => !/^\/(zh|reference)\/|\/index\.html$/.test(path))
  expect(own.filter((path) => !list.includes(path.replace(/html$/, 'md')))).toEqual([])
  expect(readFileSync(join(dist, 'llms-full.txt'), 'utf8')).toContain('# Errors')
})

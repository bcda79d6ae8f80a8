import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import vue from '@vitejs/plugin-vue'
import express from 'express'
import type { Browser, Page } from 'playwright-core'
import { build } from 'vite'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { freePort, newFolder } from '../support/newcomer'
import { type Sample, sampleFile, samplesOf } from '../support/samples'
import { launch } from './chromium'

const start = samplesOf('docs/start.md')
const tutorial = samplesOf('docs/tutorial.md')
const source = (file: string) => fileURLToPath(new URL(`../../src/${file}`, import.meta.url))

let browser: Browser

beforeAll(async () => {
  browser = await launch()
})

afterAll(() => browser?.close())

/** A page that must not complain, but for what it is made to lose. */
async function openPage(url: string, complaints: string[]): Promise<Page> {
  const page = await browser.newPage()
  onTestFinished(() => page.close())
  page.setDefaultTimeout(10_000)
  page.on('console', (message) => complaints.push(message.text()))
  page.on('pageerror', (error) => complaints.push(String(error)))
  await page.goto(url)
  return page
}

const items = (page: Page) => page.getByRole('listitem').allInnerTexts()

async function itemsToBe(page: Page, count: number): Promise<string[]> {
  await page
    .getByRole('listitem')
    .nth(count - 1)
    .waitFor()
  return items(page)
}

/** The page's server on a port of this test, for a page on another. */
async function serverOf(samples: readonly Sample[], pagePort: number) {
  const port = await freePort()
  const local = (code: string) =>
    code.replaceAll('3000', `${port}`).replaceAll('5173', `${pagePort}`)
  const folder = newFolder(['express', 'vue'])
  folder.save('server.mjs', local(sampleFile(samples, 'server.mjs').code))
  return { folder, local, url: `http://localhost:${port}` }
}

/** Every message that the tutorial's server has in its log, up to one. */
async function sentBy(url: string, last: string): Promise<string[]> {
  const stop = new AbortController()
  const { body } = await fetch(url, { headers: { 'last-event-id': '0' }, signal: stop.signal })
  let text = ''
  for await (const chunk of body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk
    if (text.includes(last)) break
  }
  stop.abort()
  return [...text.matchAll(/"message":"(.+?)"/g)].map(([, message]) => message ?? '')
}

test('the page of the start guide shows an event a second, without a build step', async () => {
  const { folder, url } = await serverOf(start, 0)
  const { file = '', code } = sampleFile(start, 'public/index.html')
  folder.save(file, code)
  await folder.run('server.mjs').lines(1)
  const complaints: string[] = []
  const page = await openPage(url, complaints)
  expect(await itemsToBe(page, 3)).toEqual(['hello 1', 'hello 2', 'hello 3'])
  expect(complaints).toEqual([])
})

const components = tutorial.filter(({ file }) => file === 'src/App.vue')

test.each([
  ['the class', components[0]],
  ['useEvents', components[1]],
])(
  'the Vue page of the tutorial, with %s, shows the events of its Express server',
  async (_name, component) => {
    const pagePort = await freePort()
    const { folder, local, url } = await serverOf(tutorial, pagePort)
    folder.save('src/App.vue', local(component?.code ?? ''))
    // As in Vite's own template, but for the handle that unmounts it.
    folder.save(
      'src/main.ts',
      `import { createApp } from 'vue'
    import App from './App.vue'
    const app = createApp(App)
    app.mount('#app')
    window.unmount = () => app.unmount()`,
    )
    folder.save(
      'index.html',
      `<!doctype html><meta charset="utf-8" /><link rel="icon" href="data:," />
    <div id="app"></div><script type="module" src="/src/main.ts"></script>`,
    )
    await build({
      root: folder.path,
      configFile: false,
      logLevel: 'warn',
      plugins: [vue()],
      define: { __DEV__: 'true' },
      resolve: { alias: { 'tidings/vue': source('bindings/vue.ts'), tidings: source('index.ts') } },
    })
    const files = createServer(express().use(express.static(`${folder.path}/dist`)))
    files.listen(pagePort)
    onTestFinished(() => {
      files.closeAllConnections()
      files.close()
    })
    await folder.run('server.mjs').lines(1)

    const complaints: string[] = []
    const page = await openPage(`http://localhost:${pagePort}`, complaints)
    await page.getByRole('heading', { name: 'SSE Events' }).waitFor()
    const before = await itemsToBe(page, 2)
    expect(complaints).toEqual([])

    // The line is lost, the page says so and mends it, and the list has every second.
    await fetch(`${url}/cut`, { method: 'POST' })
    await page.getByRole('alert').waitFor()
    await page.getByRole('alert').waitFor({ state: 'detached' })
    const after = await itemsToBe(page, before.length + 2)
    expect(after.slice(0, before.length)).toEqual(before)
    const sent = await sentBy(`${url}/sse`, after.at(-1) ?? '')
    const first = sent.indexOf(after[0] ?? '')
    expect(after).toEqual(sent.slice(first, first + after.length))

    const closed = page.waitForEvent('requestfailed', (request) => request.url() === `${url}/sse`)
    await page.evaluate('unmount()')
    expect((await closed).failure()?.errorText).toContain('ERR_ABORTED')
  },
)

test('what the tutorial calls wrong is wrong in a real browser', async () => {
  const { folder, url } = await serverOf(tutorial, 0)
  await folder.run('server.mjs').lines(1)
  const page = await openPage(`${url}/nothing`, [])
  const native = await page.evaluate(async () => {
    const init = { headers: { Authorization: 'Bearer your-token' } } as EventSourceInit
    const source = new EventSource('/private', init)
    const error = await new Promise<Event>((resolve) => {
      source.onerror = resolve
    })
    return {
      refused: source.readyState === EventSource.CLOSED,
      says: Object.keys(error).filter((name) => name !== 'isTrusted'),
      send: 'send' in source,
    }
  })
  expect(native).toEqual({ refused: true, says: [], send: false })
})

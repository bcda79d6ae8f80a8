// `node docs/demo/screenshot.js`: the demo's picture in the docs, of the real page.
import { fileURLToPath } from 'node:url'
import { runnerImport } from 'vite'
import { buildDemoPage } from './build.js'
import { createDemoServer } from './server.js'

const local = (/** @type {string} */ path) => fileURLToPath(new URL(path, import.meta.url))

// The tests know where a browser is; they are TypeScript.
const chromium = await runnerImport(local('../../test/browser/chromium.ts'))
await buildDemoPage()
const server = await createDemoServer({ tokenSeconds: 8 })
const browser = await chromium.module.launch()
const page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
const received = (/** @type {number} */ floor) =>
  page.waitForFunction(
    (/** @type {number} */ floor) =>
      Number(document.querySelector('[data-count="received"]')?.textContent) > floor,
    floor,
  )

await page.goto(server.url)
await page.getByLabel('Your name').fill('Grace')
await page.getByRole('button', { name: 'Log in' }).click()
await received(8)
await page.getByLabel('Your message').fill('Watch the line')
await page.getByRole('button', { name: 'Send' }).click()
await page.getByRole('button', { name: 'Ask' }).click()
await received(16)
await page.getByRole('button', { name: 'Cut the line' }).click()
await page.getByText('resumed after event').first().waitFor()
await received(32)
await page.screenshot({ path: local('../public/demo.png') })

await browser.close()
await server.close()

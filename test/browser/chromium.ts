import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'

const usualPlaces = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
]

// `executablePath()` throws where Playwright has no build for the platform.
function playwrightsOwn(): string[] {
  try {
    return [chromium.executablePath()]
  } catch {
    return []
  }
}

const find = (): string | undefined => [...usualPlaces, ...playwrightsOwn()].find(existsSync)

function run(command: string, args: string[]): boolean {
  return spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'] }).status === 0
}

function install(): void {
  console.log('No Chromium found: installing one for the browser tests.')
  const debianRoot = process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')
  if (debianRoot) {
    const apt = ['-qq', '-y', '--no-install-recommends', 'install', 'chromium']
    if (run('apt-get', ['-qq', 'update']) && run('apt-get', apt)) return
  }
  const package_ = createRequire(import.meta.url).resolve('playwright-core/package.json')
  run(process.execPath, [join(dirname(package_), 'cli.js'), 'install', 'chromium'])
}

/**
 * The path of a Chromium or Chrome, installed now if the machine has none. A machine that can
 * have none fails loudly: a browser test that is skipped in silence proves nothing.
 */
export function chromiumPath(): string {
  const given = process.env.CHROMIUM_PATH
  if (given !== undefined && given !== '') {
    if (existsSync(given)) return given
    throw new Error(`Expected CHROMIUM_PATH to name a browser, got ${given}, which does not exist`)
  }
  const present = find()
  if (present) return present
  install()
  const installed = find()
  if (installed) return installed
  throw new Error(
    'The browser tests need Chromium and could not install it. Install it yourself ' +
      '(Debian: apt-get install chromium; elsewhere: npx playwright-core install chromium), ' +
      'or name one in CHROMIUM_PATH.',
  )
}

/** A headless Chromium that talks to nobody but the page under test. */
export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: chromiumPath(),
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

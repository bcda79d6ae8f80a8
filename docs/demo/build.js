import { fileURLToPath } from 'node:url'
import { build } from 'vite'

/** Builds the page into `docs/demo/dist`, from the library in the package's own `dist`. */
export async function buildDemoPage() {
  const before = process.env.NODE_ENV
  // Vite believes NODE_ENV before it believes its own mode, and a test runner sets it to `test`.
  process.env.NODE_ENV = 'production'
  try {
    const configFile = fileURLToPath(new URL('./vite.config.js', import.meta.url))
    await build({ configFile, logLevel: 'warn' })
  } finally {
    if (before === undefined) delete process.env.NODE_ENV
    else process.env.NODE_ENV = before
  }
}

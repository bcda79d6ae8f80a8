// `npm start`: the demo in a browser. `npm start -- --check`: the same job in this terminal.
import { parseArgs } from 'node:util'
import { createDemoServer } from './server.js'

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } })

if (values.check) {
  const { check } = await import('./check.js')
  await check()
} else {
  await serve()
}

async function serve() {
  const { buildDemoPage } = await import('./build.js')
  await buildDemoPage()
  const { url, close } = await listen(wantedPort(), 20)
  console.log(`
  Tidings demo  ${url}

  Try it from a second terminal, too (curl stops when its token has run out, after 8 seconds):

    TOKEN=$(curl -sX POST ${url}/api/login -H 'Accept: text/plain')
    curl -N ${url}/api/prices -H "Authorization: Bearer $TOKEN"

  Ctrl+C ends it.
`)
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.once(signal, close)
}

function wantedPort() {
  const port = Number(process.env.PORT || 3000)
  if (Number.isInteger(port) && port >= 0 && port < 65536) return port
  throw new RangeError(`Expected PORT from 0 to 65535, got ${process.env.PORT}`)
}

/**
 * The first free port from `port` on.
 *
 * @param {number} port @param {number} attempts
 * @returns {ReturnType<typeof createDemoServer>}
 */
async function listen(port, attempts) {
  try {
    return await createDemoServer({ port })
  } catch (error) {
    const taken = /** @type {NodeJS.ErrnoException} */ (error).code === 'EADDRINUSE'
    if (!taken || attempts <= 1) throw error
    return listen(port + 1, attempts - 1)
  }
}

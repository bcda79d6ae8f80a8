// The demo's main job without a browser: the built library in Node against the demo's server.
import assert from 'node:assert/strict'
import { EventSource, events } from 'tidings'
import { bearer } from 'tidings/auth'
import { createLedger } from './ledger.js'
import { createDemoServer } from './server.js'

/** Milliseconds any one step may take. */
const patience = 5000

/** Runs every step, says what happened, and leaves the verdict in `process.exitCode`. */
export async function check() {
  const server = await createDemoServer({ tokenSeconds: 2, typingMs: 12 })
  console.log(`\nTidings against ${server.url}, with tokens that live 2 s\n`)
  let passed = 0
  let failed = 0
  const startedAt = performance.now()

  /** @param {boolean} ok @param {string} name @param {string} said */
  const report = (ok, name, said) => {
    if (ok) passed += 1
    else failed += 1
    console.log(`  ${ok ? '✓' : '✗'} ${name.padEnd(18)} ${said}`)
  }

  const client = createClient(server.url)
  for (const [name, step] of steps(client)) {
    try {
      report(true, name, await inTime(step()))
    } catch (error) {
      report(false, name, String(error instanceof Error ? error.message : error))
    }
  }
  client.close()
  await server.close()

  // What is still open now would keep the process alive, so leaving by itself is a step like any
  // other. The timer does not count: it is let go of.
  const doneAt = performance.now()
  const stuck = setTimeout(() => {
    report(false, 'exit', `kept alive by ${process.getActiveResourcesInfo().join(', ')}`)
    process.exit(1)
  }, 3000)
  stuck.unref()
  process.once('exit', () => {
    if (failed === 0)
      report(true, 'exit', `by itself, ${elapsed(doneAt, 'ms')} after the last step`)
    process.exitCode = failed === 0 ? 0 : 1
    console.log(`\n${passed} passed, ${failed} failed in ${elapsed(startedAt, 's')}\n`)
  })
}

/** A logged-in user in Node: what the page's session and feed do, without a page. @param {string} url */
function createClient(url) {
  const ledger = createLedger()
  /** Every event so far, newest last. @type {MessageEvent[]} */
  const got = []
  const counts = { refreshed: 0, opened: 0, lost: 0 }
  let token = ''
  let cookie = ''
  /** @type {EventSource | undefined} */
  let source
  /** Called whenever something has happened. */
  let changed = () => {}

  /** @param {string} path @param {RequestInit} [init] */
  async function call(path, init) {
    const response = await fetch(url + path, { method: 'POST', ...init })
    assert.ok(response.ok, `Expected ${path} to succeed, got ${response.status}`)
    const [set] = response.headers.getSetCookie()
    if (set) cookie = set.slice(0, set.indexOf(';'))
    return response.json()
  }

  async function refresh() {
    const issued = await call('/api/refresh', { headers: { cookie } })
    token = issued.token
    counts.refreshed += 1
    return issued.token
  }

  const client = {
    url,
    ledger,
    got,
    counts,

    async login() {
      const headers = { 'content-type': 'application/json' }
      const issued = await call('/api/login', { headers, body: '{"name":"check"}' })
      token = issued.token
      return issued
    },

    headers: bearer({ token: () => token, refresh }),

    subscribe() {
      source = new EventSource(`${url}/api/prices`, { headers: client.headers })
      const take = (/** @type {MessageEvent} */ event) => {
        got.push(event)
        ledger.add(event.lastEventId)
        changed()
      }
      source.addEventListener('message', take)
      source.addEventListener('chat', take)
      source.onopen = () => {
        counts.opened += 1
        changed()
      }
      source.onerror = () => {
        counts.lost += 1
        changed()
      }
      return source
    },

    /** @param {string} path A call with a token that is good, whatever the moment. */
    async authorized(path, method = 'POST') {
      await refresh()
      return call(path, { method, headers: { Authorization: `Bearer ${token}` } })
    },

    /** Resolves as soon as it is so. @param {() => unknown} condition */
    until(condition) {
      return /** @type {Promise<void>} */ (
        new Promise((resolve) => {
          changed = () => {
            if (!condition()) return
            changed = () => {}
            resolve()
          }
          changed()
        })
      )
    },

    close() {
      source?.close()
    },
  }
  return client
}

/** @typedef {ReturnType<typeof createClient>} Client */

/**
 * The story, in order. A step resolves with what there is to say about it.
 *
 * @param {Client} client
 * @returns {Generator<[name: string, step: () => Promise<string>]>}
 */
function* steps(client) {
  const { url, ledger, got, counts, until } = client
  const prompt = 'How does a stream survive a cut?'
  let whole = ''
  /** @type {EventSource} */
  let source

  yield [
    'no token',
    async () => {
      const refused = await failure(async () => {
        for await (const _ of events(`${url}/api/prices`)) break
      })
      assert.equal(refused.status, 401)
      return `refused with ${refused.status}, code "${refused.code}"`
    },
  ]

  yield [
    'log in',
    async () => {
      const { expiresAt } = await client.login()
      return `a bearer token, good for ${((expiresAt - Date.now()) / 1000).toFixed(1)} s`
    },
  ]

  yield [
    'live feed',
    async () => {
      source = client.subscribe()
      await until(() => got.length >= 3)
      return `open, events ${got.map((event) => event.lastEventId).join(', ')}`
    },
  ]

  yield [
    'send',
    async () => {
      const text = 'Ahoy! <b>ünïcödé</b> \u{1f30a}\nsecond line'
      const response = await source.send('chat', text)
      await until(() => got.some((event) => event.type === 'chat'))
      const [chat] = got.filter((event) => event.type === 'chat')
      assert.ok(chat)
      assert.equal(JSON.parse(chat.data).text, text)
      return `${response.status}, and back as custom event ${chat.lastEventId}`
    },
  ]

  yield [
    'token expires',
    async () => {
      const before = counts.refreshed
      const { opened } = counts
      await until(() => counts.refreshed > before && counts.opened > opened)
      const { last } = ledger.totals
      await until(() => ledger.totals.last > last)
      return `401, ${counts.refreshed - before} refresh, resumed after event ${last}`
    },
  ]

  yield [
    'cut mid-event',
    async () => {
      const { midEvent } = await client.authorized('/api/cut')
      await until(() => ledger.totals.last > midEvent)
      const times = got.filter((event) => event.lastEventId === String(midEvent)).length
      assert.equal(times, 1, `Expected event ${midEvent} once, got it ${times} times`)
      return `half of event ${midEvent} came, then the socket closed; after resuming it came once`
    },
  ]

  yield [
    'close and retry',
    async () => {
      const { last } = ledger.totals
      source.close()
      assert.equal(source.status, 'closed')
      // Long enough for two events to pass us by.
      await new Promise((resolve) => setTimeout(resolve, 900))
      assert.equal(ledger.totals.last, last, 'Expected silence after close()')
      source.reconnect()
      await until(() => ledger.totals.last > last + 2)
      return `closed after event ${last}, reconnect() resumed with ${last + 1}`
    },
  ]

  /** @param {import('tidings').EventsOptions} [options] */
  const answer = (options) =>
    events(`${url}/api/answer`, {
      method: 'POST',
      headers: client.headers,
      json: { prompt },
      until: '[DONE]',
      // The server goes on after the last event ID.
      resume: 'same',
      ...options,
    })
  const read = (/** @type {{ data: string }} */ { data }) => JSON.parse(data).token

  yield [
    'POST answer',
    async () => {
      let tokens = 0
      for await (const event of answer()) {
        whole += read(event)
        tokens += 1
      }
      assert.ok(whole.length > 200)
      return `${tokens} tokens, until [DONE]`
    },
  ]

  yield [
    'cut the answer',
    async () => {
      let text = ''
      let tokens = 0
      /** @type {unknown[]} */
      const ends = []
      for await (const event of answer({ onReconnect: ({ error }) => ends.push(error?.code) })) {
        text += read(event)
        tokens += 1
        if (tokens === 20) await client.authorized('/api/cut')
      }
      assert.equal(text, whole, 'Expected the same text as without the cut')
      // Beside the cut there may be a 401, where the token ran out just then.
      assert.deepEqual(
        ends.filter((code) => code !== 'status'),
        ['network'],
      )
      return `broken off at token 20 and resumed, the same ${whole.length} characters`
    },
  ]

  yield [
    'abort',
    async () => {
      const reason = new Error('Enough')
      const controller = new AbortController()
      let tokens = 0
      const thrown = await failure(async () => {
        for await (const _ of answer({ signal: controller.signal })) {
          tokens += 1
          if (tokens === 10) controller.abort(reason)
        }
      })
      assert.equal(thrown, reason)
      assert.equal(tokens, 10, 'Expected nothing more after the abort')
      await gone(client, 'answer')
      return 'after 10 tokens, with our own reason; the server has stopped typing'
    },
  ]

  yield [
    'close',
    async () => {
      source.close()
      await gone(client, 'prices')
      return 'the server holds no line of ours any more'
    },
  ]

  yield [
    'the count',
    async () => {
      const { received, missed, doubled } = ledger.totals
      assert.ok(missed === 0 && doubled === 0, `${missed} missed, ${doubled} doubled`)
      return `${received} received over ${counts.opened} connections, 0 missed, 0 doubled`
    },
  ]
}

/** Asks the server until it holds no such line. @param {Client} client @param {string} kind */
async function gone(client, kind) {
  while ((await client.authorized('/api/streams', 'GET'))[kind] > 0) {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** What a function throws. @param {() => Promise<void>} run @returns {Promise<any>} */
async function failure(run) {
  try {
    await run()
  } catch (error) {
    return error
  }
  throw new Error('Expected a failure, got none')
}

/** @template T @param {Promise<T>} step */
async function inTime(step) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Expected an end within ${patience} ms`)), patience)
  })
  try {
    return /** @type {T} */ (await Promise.race([step, late]))
  } finally {
    clearTimeout(timer)
  }
}

/** @param {number} since @param {'s' | 'ms'} unit */
function elapsed(since, unit) {
  const ms = performance.now() - since
  return unit === 's' ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms)} ms`
}

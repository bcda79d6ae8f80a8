// The demo's server: Express 5, one numbered event log, bearer tokens that live for seconds.
// Nothing here knows Tidings; any client that speaks Server-Sent Events can use it.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import express from 'express'
import { answerTo } from './server/answers.js'
import { createChannel } from './server/channel.js'
import { createMarket } from './server/market.js'
import { createSessions } from './server/sessions.js'
import { openStream } from './server/stream.js'

/** @typedef {import('express').Request} Request */
/** @typedef {import('express').Response} Response */

const page = fileURLToPath(new URL('./dist', import.meta.url))

/**
 * Starts the demo server on the loopback interface.
 *
 * @param {{ port?: number, tokenSeconds?: number, typingMs?: number }} [options]
 *   `port` 0 takes any free one; `tokenSeconds` is how long an access token lives; `typingMs` is the
 *   time between two words of an answer.
 */
export async function createDemoServer({ port = 0, tokenSeconds = 8, typingMs = 60 } = {}) {
  const sessions = createSessions({ tokenSeconds })
  const channel = createChannel({ limit: 1000 })
  const market = createMarket()
  /** Every open stream, whoever it belongs to. @type {Set<import('./server/stream.js').Stream>} */
  const streams = new Set()

  const tick = () => channel.publish('message', { ...market.next(), at: Date.now() })

  const app = express()
  app.disable('x-powered-by')
  app.use(localOnly)
  app.use((_req, res, next) => {
    res.set({
      'content-security-policy': "default-src 'self'; img-src 'self' data:; base-uri 'none'",
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
    })
    next()
  })
  app.use('/api', express.json({ limit: '4kb' }), (_req, res, next) => {
    res.set('cache-control', 'no-store')
    next()
  })

  // ---- Who are you? ---------------------------------------------------------------------------

  app.post('/api/login', (req, res) => {
    const { refresh, token, expiresAt } = sessions.login(req.body?.name)
    // Out of reach of scripts, and sent to one path only.
    res.cookie(cookieName(req), refresh, {
      httpOnly: true,
      sameSite: 'strict',
      path: '/api/refresh',
    })
    // Plain text is for the shell: TOKEN=$(curl …)
    if (req.accepts(['json', 'text']) === 'text') res.type('text').send(token)
    else res.json({ token, expiresAt })
  })

  app.post('/api/refresh', (req, res) => {
    const issued = sessions.refresh(cookies(req)[cookieName(req)])
    if (issued) res.json(issued)
    else res.status(401).json({ error: 'Log in first' })
  })

  /** @type {import('express').RequestHandler} */
  const authorized = (req, res, next) => {
    const [, token] = /^Bearer (\S+)$/i.exec(req.get('authorization') ?? '') ?? []
    const grant = sessions.check(token)
    if (!grant) {
      res.set('www-authenticate', 'Bearer error="invalid_token"')
      res.status(401).json({ error: 'The access token is missing or has expired' })
      return
    }
    res.locals.grant = grant
    next()
  }

  // ---- The feed: numbered events, resumable ---------------------------------------------------

  app.get('/api/prices', authorized, (req, res) => {
    const { user, expiresAt } = res.locals.grant
    const asked = lastEventId(req)
    const from = asked !== undefined && asked <= channel.latest ? asked : channel.latest
    const stream = openStream(res, { kind: 'prices', user, streams })

    // The first block has no data, so no event comes of it: it tells the client how soon to come
    // back, and its place in the log, so that even a line cut before the first event can resume.
    stream.write(`retry: 600\nid: ${from}\n\n`)
    // Replay and subscription happen in one turn of the event loop: nothing falls in between.
    for (const event of channel.after(from)) stream.write(event.wire)
    const unsubscribe = channel.subscribe((event) => stream.write(event.wire))

    const heartbeat = setInterval(() => stream.write(': still here\n\n'), 5000)
    // A stream must not outlive the right to read it.
    const expiry = setTimeout(() => res.end(), expiresAt - Date.now())
    res.on('close', () => {
      unsubscribe()
      clearInterval(heartbeat)
      clearTimeout(expiry)
    })
  })

  // ---- What `source.send(type, data)` posts ---------------------------------------------------

  app.post('/api/prices', authorized, (req, res) => {
    const { type, data } = req.body ?? {}
    // One known type: what a client names never reaches the `event:` line of somebody else.
    if (type !== 'chat') return res.status(422).json({ error: 'Expected type "chat"' })
    const text = typeof data === 'string' ? data.trim() : ''
    if (!text || text.length > 280) {
      return res.status(422).json({ error: 'Expected data of 1 to 280 characters' })
    }
    const from = res.locals.grant.user.name
    const { id } = channel.publish('chat', { from, text, at: Date.now() })
    return res.status(202).json({ id })
  })

  // ---- An answer, token by token --------------------------------------------------------------

  app.post('/api/answer', authorized, (req, res) => {
    const prompt = typeof req.body?.prompt === 'string' ? req.body.prompt.trim() : ''
    if (!prompt || prompt.length > 500) {
      return res.status(422).json({ error: 'Expected a prompt of 1 to 500 characters' })
    }
    const tokens = answerTo(prompt)
    const stream = openStream(res, { kind: 'answer', user: res.locals.grant.user, streams })
    stream.write('retry: 600\n\n')

    // The same prompt gives the same tokens, so the last event ID is all it takes to go on. A real
    // model's server would keep the tokens it has made.
    let sent = lastEventId(req) ?? 0
    const typing = setInterval(() => {
      const token = tokens[sent]
      if (token === undefined) {
        clearInterval(typing)
        res.end('data: [DONE]\n\n')
      } else {
        sent += 1
        stream.write(`id: ${sent}\ndata: ${JSON.stringify({ token })}\n\n`)
      }
    }, typingMs)
    // Stop was pressed, or the line is gone: nobody reads on, so nothing more is made.
    res.on('close', () => clearInterval(typing))
    return undefined
  })

  // ---- For the demo's sake --------------------------------------------------------------------

  /** Cuts every line of this user in the middle of an event, as a tunnel would. */
  app.post('/api/cut', authorized, (_req, res) => {
    const mine = [...streams].filter((stream) => stream.user === res.locals.grant.user)
    for (const stream of mine) stream.cutAtNextWrite()
    const midEvent = mine.some((stream) => stream.kind === 'prices') ? tick().id : undefined
    res.json({ streams: mine.length, midEvent })
  })

  /** How many lines of this user the server holds: a client that stopped must not show up here. */
  app.get('/api/streams', authorized, (_req, res) => {
    const mine = [...streams].filter((stream) => stream.user === res.locals.grant.user)
    const count = (/** @type {string} */ kind) => mine.filter((s) => s.kind === kind).length
    res.json({ prices: count('prices'), answer: count('answer') })
  })

  app.use('/api', (_req, res) => res.status(404).json({ error: 'No such endpoint' }))
  app.use(express.static(page))
  app.use(reportError)

  const server = createServer(app)
  server.listen(port, '127.0.0.1')
  // Rejects where the port is taken; nothing runs yet that would have to be stopped then.
  await once(server, 'listening')
  const ticking = setInterval(tick, 400)
  const address = /** @type {import('node:net').AddressInfo} */ (server.address())

  return {
    url: `http://127.0.0.1:${address.port}`,
    /** Ends every stream and lets the process exit. */
    async close() {
      clearInterval(ticking)
      for (const stream of streams) stream.end()
      const closed = once(server, 'close')
      server.close()
      // One turn for the last bytes, then whatever a browser keeps open for later.
      setImmediate(() => server.closeAllConnections())
      await closed
    },
  }
}

/**
 * A page of another origin has no business here, even one that rebound its DNS name to 127.0.0.1.
 *
 * @param {Request} req @param {Response} res @param {import('express').NextFunction} next
 */
function localOnly(req, res, next) {
  const { host = '', origin } = req.headers
  const local = /^(localhost|127\.0\.0\.1)(:\d+)?$/.test(host)
  if (local && (origin === undefined || origin === `http://${host}`)) next()
  else res.status(403).json({ error: 'Expected a request from this machine and this origin' })
}

/** The number in `Last-Event-ID`, if it is one of ours. @param {Request} req */
function lastEventId(req) {
  const id = req.get('last-event-id') ?? ''
  return /^\d{1,15}$/.test(id) ? Number(id) : undefined
}

/** Cookies are shared between ports, so the name carries it. @param {Request} req */
function cookieName(req) {
  return `tidings_demo_${req.socket.localPort}`
}

/** @param {Request} req @returns {Record<string, string>} */
function cookies(req) {
  const pairs = (req.headers.cookie ?? '').split('; ').map((pair) => pair.split('='))
  return Object.fromEntries(pairs)
}

/**
 * Says what was wrong with the request and nothing about the server.
 *
 * @param {any} error @param {Request} _req @param {Response} res
 * @param {import('express').NextFunction} next
 */
function reportError(error, _req, res, next) {
  const { status = 500, expose = false, message } = error
  if (res.headersSent) next(error)
  else res.status(status).json({ error: expose ? message : 'The server failed' })
}

import 'reflect-metadata'
import fastifySse from '@fastify/sse'
import { Body, Controller, Module, Req, RequestMethod, Sse } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { initTRPC, tracked } from '@trpc/server'
import { createHTTPHandler } from '@trpc/server/adapters/standalone'
import fastify from 'fastify'
import { createEventStream, H3, toNodeHandler } from 'h3'
import { concat, from, NEVER } from 'rxjs'

// Each gives a listener for an HTTP server. At /events it sends two events, numbered from the one
// after the Last-Event-ID on, and leaves the stream open. `note` gets each request's Last-Event-ID.

/** The numbers of the next two events. */
const next = (id) => [Number(id ?? 0) + 1, Number(id ?? 0) + 2]

/** Also answers POST /chat, whose events NestJS numbers itself. `note` gets the body's prompt. */
export async function nest(note) {
  class Events {
    events({ headers: { 'last-event-id': id } }) {
      note(id)
      return concat(from(next(id).map((n) => ({ id: `${n}`, data: { n } }))), NEVER)
    }
    chat({ prompt }) {
      note(prompt)
      return concat(from([{ data: 'Hel' }, { data: 'lo' }]), prompt === 'short' ? [] : NEVER)
    }
  }
  // What the decorators of TypeScript compile to.
  const method = (name, route, parameter) => {
    route(Events.prototype, name, Object.getOwnPropertyDescriptor(Events.prototype, name))
    parameter(Events.prototype, name, 0)
  }
  method('events', Sse('events'), Req())
  method('chat', Sse('chat', { method: RequestMethod.POST }), Body())
  Controller()(Events)
  class App {}
  Module({ controllers: [Events] })(App)
  const app = await NestFactory.create(App, { logger: false })
  await app.init()
  return app.getHttpAdapter().getInstance()
}

export function h3(note) {
  const app = new H3().get('/events', (event) => {
    const id = event.req.headers.get('last-event-id') ?? undefined
    note(id)
    const stream = createEventStream(event)
    stream.push(next(id).map((n) => ({ id: `${n}`, data: JSON.stringify({ n }) })))
    return stream.send()
  })
  return toNodeHandler(app)
}

export async function fastifyEvents(note) {
  const app = fastify()
  await app.register(fastifySse)
  app.get('/events', { sse: { kind: 'only', heartbeat: false } }, async (request, reply) => {
    const id = request.headers['last-event-id']
    note(id)
    reply.sse.keepAlive()
    for (const n of next(id)) await reply.sse.send({ id: `${n}`, data: { n } })
  })
  await app.ready()
  return (request, response) => app.routing(request, response)
}

/** A subscription by the name of `events`, whose IDs are tracked. */
export function trpc(note) {
  const { procedure, router } = initTRPC.create()
  const events = procedure
    .input((input) => input)
    .subscription(async function* ({ input, signal }) {
      note(input?.lastEventId)
      for (const n of next(input?.lastEventId)) yield tracked(`${n}`, { n })
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
    })
  return createHTTPHandler({ router: router({ events }) })
}

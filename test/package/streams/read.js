// Reads one stream by each public name of each entry, and prints what came, as lines of JSON.
import { Window } from 'happy-dom'
import { createElement } from 'react'
import { effectScope, watchEffect } from 'vue'

const BODY = 'id: 1\ndata: one\n\nid: 2\nevent: done\ndata: two\n\n'
const url = 'http://localhost/'
const requests = []
const fetch = async (_, { headers }) => {
  requests.push(new Headers(headers).get('authorization'))
  return new Response(BODY, { headers: { 'content-type': 'text/event-stream' } })
}
const once = { fetch, until: { type: 'done' } }
const brief = ({ type, data, lastEventId }) => `${lastEventId} ${type} ${data}`

async function all(stream) {
  const events = []
  for await (const event of stream) events.push(brief(event))
  return events
}

/** @param entries - the modules, by the names of their entries */
export async function read({ main, parser, auth, vue, react, ...entries }) {
  const { fetchEventSource } = entries['fetch-event-source']
  const readers = {
    events: () => all(main.events(url, once)),
    batches: async () => {
      const events = []
      for await (const batch of main.events(url, once).batches()) events.push(...batch.map(brief))
      return events
    },
    parts: () => {
      const [input, options] = main.fromRequest(new Request(url))
      const decode = (data) => main.parseJson(`"${data}"`)
      return all(main.events(input, { ...options, ...once, decode, skip: main.dedupe(9) }))
    },
    observable: () =>
      new Promise((resolve, reject) => {
        const events = []
        main
          .observable(() => main.events(url, once))
          .subscribe({
            next: (event) => events.push(brief(event)),
            error: reject,
            complete: () => resolve(events),
          })
      }),
    EventSource: () =>
      new Promise((resolve) => {
        const events = []
        const source = new main.EventSource(url, { fetch })
        source.onmessage = (event) => events.push(brief(event))
        source.addEventListener('done', (event) => {
          source.close()
          resolve([...events, brief(event)])
        })
      }),
    fetchEventSource: async () => {
      const events = []
      await fetchEventSource(url, {
        fetch,
        onmessage: ({ id, event, data }) => events.push(`${id} ${event || 'message'} ${data}`),
      })
      return events
    },
    bearer: async () => {
      requests.length = 0
      const headers = auth.bearer({ refresh: async () => 'token' })
      const events = await all(main.events(url, { ...once, headers }))
      return requests.includes('Bearer token') ? events : requests
    },
    readEvents: () => all(parser.readEvents(new Response(BODY))),
    EventStreamDecoder: () =>
      all(new Response(BODY).body.pipeThrough(new parser.EventStreamDecoder())),
    EventStreamParser: () => {
      // An app's subclass may name its own members as short as it likes.
      class Counting extends parser.EventStreamParser {
        a = 0
        b = 0
        e = 0
        t = 0
      }
      const feed = new Counting()
      feed.feed(new TextEncoder().encode(BODY))
      const events = []
      for (let event = feed.next(); event; event = feed.next()) events.push(brief(event))
      return events
    },
    'vue useEvents': () =>
      new Promise((resolve) => {
        effectScope().run(() => {
          // Neither a page nor a component: it does not open by itself.
          const { events, status, open } = vue.useEvents(url, once)
          open()
          watchEffect(() => status.value === 'closed' && resolve(events.value.map(brief)))
        })
      }),
    // Last: it makes a page of the process.
    'react useEvents': async () => {
      globalThis.window = new Window({ url })
      globalThis.document = window.document
      globalThis.navigator ??= window.navigator
      const { createRoot } = await import('react-dom/client')
      return new Promise((resolve) => {
        const Feed = () => {
          const { events, status } = react.useEvents(url, once)
          if (status === 'closed') resolve(events.map(brief))
          return null
        }
        createRoot(document.createElement('div')).render(createElement(Feed))
      })
    },
  }
  for (const [name, reader] of Object.entries(readers)) {
    console.log(JSON.stringify([name, await reader()]))
  }
  process.exit()
}

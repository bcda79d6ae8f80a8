import { afterEach, describe, expect, test, vi } from 'vitest'
import type { EventSourceInit } from '../../src/faces/event-source'
import { answering } from '../support/fetch'
import { stream } from '../support/response'

// What other runtimes lack, or do in their own way. The class is imported anew for each.

afterEach(() => {
  vi.unstubAllGlobals()
  vi.resetModules()
})

/** The class as a runtime with these globals has it. */
async function importIn(globals: Record<string, unknown>) {
  vi.resetModules()
  for (const [name, value] of Object.entries(globals)) vi.stubGlobal(name, value)
  return (await import('../../src/faces/event-source')).EventSource
}

const EVENTS = 'id: 7\ndata: 1\n\nevent: price\ndata: 2\n\n'
const answers = (): EventSourceInit => answering(stream([EVENTS], 'stall'))
const settled = () => new Promise((resolve) => setTimeout(resolve))

describe('without MessageEvent, as on Vercel’s edge', () => {
  test('events are plain ones that have its members', async () => {
    const EventSource = await importIn({ MessageEvent: undefined })
    const source = new EventSource('http://localhost/', answers())
    const events: MessageEvent[] = []
    source.onmessage = (event) => events.push(event)
    source.addEventListener('price', (event) => events.push(event))
    await settled()
    source.close()
    const seen = events.map(({ type, data, lastEventId, origin }) => [
      type,
      data,
      lastEventId,
      origin,
    ])
    expect(seen).toEqual([
      ['message', '1', '7', 'http://localhost'],
      ['price', '2', '7', 'http://localhost'],
    ])
    for (const event of events) {
      expect([event.constructor, event.target]).toEqual([Event, source])
    }
    expect(String(events[0])).toBe('[object Event]')
  })
})

test('where MessageEvent keeps its members on each instance, as in workerd, ours have them too', async () => {
  class MessageEvent extends Event {}
  const EventSource = await importIn({ MessageEvent })
  const source = new EventSource('http://localhost/', answers())
  const event = await new Promise<globalThis.MessageEvent>((resolve) => {
    source.onmessage = resolve
  })
  source.close()
  expect(event).toBeInstanceOf(MessageEvent)
  const { data, lastEventId, origin, ports } = event
  expect([data, lastEventId, origin, event.source, ports]).toEqual([
    '1',
    '7',
    'http://localhost',
    null,
    [],
  ])
})

describe('without EventTarget, Event and MessageEvent', () => {
  test('the import does no harm', async () => {
    const EventSource = await importIn({
      EventTarget: undefined,
      Event: undefined,
      MessageEvent: undefined,
    })
    expect([EventSource.CLOSED, EventSource.name]).toEqual([2, 'EventSource'])
  })
})

describe('where the runtime calls the on attributes and throws what listeners throw, as workerd does', () => {
  class Workerd extends EventTarget {
    readonly #listeners = new Map<string, Set<(event: Event) => void>>()

    override addEventListener(type: string, listener: never): void {
      const listeners = this.#listeners.get(type) ?? new Set()
      this.#listeners.set(type, listeners.add(listener))
    }

    override dispatchEvent(event: Event): boolean {
      const handler = Reflect.get(this, `on${event.type}`) as unknown
      if (typeof handler === 'function') handler(event)
      for (const listener of this.#listeners.get(event.type) ?? []) listener(event)
      return true
    }
  }

  test('each handler is called once', async () => {
    const EventSource = await importIn({ EventTarget: Workerd })
    const source = new EventSource('http://localhost/', answers())
    const story: string[] = []
    source.onopen = () => story.push('open')
    source.onmessage = ({ data }) => story.push(`handler:${data}`)
    source.addEventListener('message', ({ data }) => story.push(`listener:${data}`))
    await settled()
    source.close()
    expect(story).toEqual(['open', 'handler:1', 'listener:1'])
  })

  test('a listener that throws is reported, and costs the source nothing', async () => {
    const reported: unknown[] = []
    const EventSource = await importIn({
      EventTarget: Workerd,
      reportError: (error: Error) => reported.push(error.message),
    })
    const source = new EventSource('http://localhost/', answers())
    const story: string[] = []
    for (const type of ['open', 'message', 'error']) {
      source.addEventListener(type, () => {
        story.push(type)
        throw new Error(`in ${type}`)
      })
    }
    source.addEventListener('price', () => story.push('price'))
    await settled()
    expect([story, reported, source.status]).toEqual([
      ['open', 'message', 'price'],
      ['in open', 'in message'],
      'open',
    ])
    source.close()
  })
})

test('a class that Babel has lowered finds itself by the prototype of its instances', async () => {
  const EventSource = await importIn({})
  const source = new EventSource('http://localhost/', answers())
  const event = await new Promise<MessageEvent>((resolve) => {
    source.onmessage = resolve
  })
  source.close()
  // What Babel's `_callSuper` does in place of `super()`.
  const prototype = Object.getPrototypeOf(event) as object
  const lowered = Reflect.construct(Event, ['message'], prototype.constructor)
  expect(Object.getPrototypeOf(lowered)).toBe(prototype)
  expect(event.constructor).toBe(MessageEvent)
})

import { expect, test } from 'vitest'
import { EventStreamParser } from '../../src/parser/parser'
import { corpus } from '../corpus'
const decode = (wire: Uint8Array) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(wire)
function read(chunks: any[], all = false) {
  const p = new EventStreamParser()
  const events: any[] = []
  const drain = () => { for (let e = p.next(); e; e = p.next()) events.push(e) }
  for (const c of chunks) { p.feed(c); if (!all) drain() }
  drain(); p.end(); drain()
  return { events, lastEventId: p.lastEventId, reconnectionTime: p.reconnectionTime }
}
function cut(w: any, places: number[]) { return [...places, w.length].map((x, i) => w.slice(places[i - 1] ?? 0, x)) }
test.each(corpus)('%s', (_, wire, expected) => {
  for (const form of [wire, decode(wire)]) {
    const chunkings: any[] = [[form], Array.from({ length: form.length }, (_, i) => form.slice(i, i + 1))]
    for (let a = 0; a <= form.length; a++) { chunkings.push(cut(form, [a])); if (form.length <= 64) for (let b = a; b <= form.length; b++) chunkings.push(cut(form, [a, b])) }
    const want = JSON.stringify(expected)
    for (const c of chunkings) for (const all of [false, true]) { const got = read(c, all); if (JSON.stringify(got) !== want) expect({ c, all, got }).toEqual({ c, all, got: expected }) }
  }
})

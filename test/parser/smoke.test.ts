import { expect, test } from 'vitest'
import { EventStreamParser } from '../../src/parser/parser'
test('smoke', () => {
  const told: any[] = []
  const p = new EventStreamParser({ maxEventSize: 10, incomplete: 'deliver', onComment: (t) => { told.push(`c:${t}`); if (t === 'throw') throw new Error('x') }, onIgnored: (l) => told.push(`i:${l}`), onRetry: (n) => told.push(`r:${n}`) })
  p.feed('data: first\n\n: note\ndata: second\n\nfoo: bar\nretry: x\nretry: 5\n: throw\ndata: 3\n\nid: 77\ndata: 12345678901\ndata: 9\n\ndata: ok\n\n')
  const go = () => { try { const e = p.next(); told.push(e && `${e.data}|${e.lastEventId}|${p._id}`) ; return e} catch (e: any) { told.push(`E:${e.code ?? e.message}`); return true } }
  while (go());
  expect(told).toEqual(['first||undefined', 'c:note', 'second||undefined', 'i:foo: bar', 'i:retry: x', 'r:5', 'c:throw', 'E:x', '3||undefined', 'E:too-large', 'ok||undefined', undefined])
  told.length = 0
  p.feed('\nid: 5\ndata: a\nda'); while (go());
  p.feed('ta: b'); while (go());
  expect(p._excerpt).toBe('id: 5\ndata: a\ndata: b')
  p.end(); while (go());
  expect(told).toEqual([undefined, undefined, 'a\nb||undefined', undefined])
  expect([p._unfinished, p._lineEnded, p.buffered]).toEqual([true, false, 0])
  const q = new EventStreamParser({ maxEventSize: 10 })
  for (const c of 'data: a\n\n: cccccccccccccccccccccccccccccccccccccccccccccccccc\nid: 3\ndata: ') q.feed(c)
  let e: any = q.next(); expect(e.data).toBe('a')
  q.feed('123456789'); expect(q.next()).toBe(undefined); q.feed('0');  expect(() => q.next()).toThrow(expect.objectContaining({ code: 'too-large' }))
  q.feed('11\ndata:x\n\nid: 4\ndata: b\n\n'); expect(q.next()).toEqual({ type: 'message', data: 'b', lastEventId: '4' })
})

import { expect, onTestFinished, test, vi } from 'vitest'
import { events } from '../../src/index'
import { serve } from '../support/server'
import { logged } from './samples/logged'

test('the logging fetch tells headers by name, and no token, query or body', async () => {
  const { url } = await serve((_, response) => {
    response.setHeader('Content-Type', 'text/event-stream')
    response.write('data: hello\n\n')
  })
  const lines: string[] = []
  const debug = vi.spyOn(console, 'debug').mockImplementation((...words) => {
    lines.push(words.join(' ').replace(/\d+ ms/, '… ms'))
  })
  onTestFinished(() => debug.mockRestore())
  const headers = { Authorization: 'Bearer secret' }
  for await (const _ of events(`${url}/feed?token=secret`, { headers, fetch: logged })) break
  expect(lines).toEqual([`→ GET ${url}/feed accept, authorization`, '← 200 text/event-stream … ms'])
})

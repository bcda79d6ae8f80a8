import { getEventListeners, setMaxListeners } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { events } from '../../src/index'
import { serve } from '../support/server'

const open = () =>
  serve((_, response) => {
    response.setHeader('Content-Type', 'text/event-stream')
    response.write('data: 1\n\n')
  })

test('await using closes the stream with its block', async () => {
  const server = await open()
  {
    await using stream = events(server.url)
    const { value } = await stream[Symbol.asyncIterator]().next()
    expect(value?.data).toBe('1')
  }
  await server.socketsToBe(0)
})

test('the signals of a timeout and of a button: the first to fire is the reason', async () => {
  const server = await open()
  const button = new AbortController()
  const signal = AbortSignal.any([button.signal, AbortSignal.timeout(500)])
  const stream = events(server.url, { signal })[Symbol.asyncIterator]()
  expect((await stream.next()).value?.data).toBe('1')
  await expect(stream.next()).rejects.toMatchObject({ name: 'TimeoutError' })
  await server.socketsToBe(0)
})

/** The warnings of the process while twelve streams share a signal. */
async function warnings(controller: AbortController): Promise<string[]> {
  const server = await open()
  const names: string[] = []
  const note = ({ name }: Error) => names.push(name)
  process.on('warning', note)
  onTestFinished(() => {
    process.off('warning', note)
  })
  await Promise.all(
    Array.from({ length: 12 }, () =>
      events(server.url, { signal: controller.signal })[Symbol.asyncIterator]().next(),
    ),
  )
  controller.abort()
  // Warnings are emitted in a tick of their own.
  await new Promise((resolve) => setImmediate(resolve))
  return names
}

test('more than ten streams on one signal make Node warn of a leak that is none', async () => {
  expect(await warnings(new AbortController())).toEqual(['MaxListenersExceededWarning'])
})

test('setMaxListeners on the signal ends the warning', async () => {
  const controller = new AbortController()
  setMaxListeners(0, controller.signal)
  expect(await warnings(controller)).toEqual([])
})

test('a signal that outlives its streams holds none of them', async () => {
  const server = await open()
  const { signal } = new AbortController()
  for (let i = 0; i < 20; i++) {
    for await (const _ of events(server.url, { signal })) break
  }
  expect(getEventListeners(signal, 'abort')).toEqual([])
})

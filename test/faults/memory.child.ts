/**
 * Consumes a stream and reports what it took: `node - <url> <options as JSON>`. The figure is that
 * of live memory, with the garbage collected before each look, over what it was at the start.
 */
import { SseError } from '../../src/errors'
import { events } from '../../src/faces/events'
import { dedupe } from '../../src/parts/dedupe'

const [url = '', json = '{}'] = process.argv.slice(2)
const { dedupe: count, hears, maxEventSize } = JSON.parse(json)
const collect = (globalThis as unknown as { gc: () => void }).gc
const live = () => {
  collect()
  // `external` counts the bytes of array buffers too.
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

let peak = 0
let received = 0
let end = 'done'

// Whatever the first use of fetch loads does not count.
await fetch('data:,x').then((response) => response.text())
const base = live()
const look = () => {
  peak = Math.max(peak, live() - base)
}
const timer = setInterval(look, 50)
try {
  const stream = events(url, {
    retry: false,
    maxEventSize,
    skip: count && dedupe(count),
    onComment: hears && (() => {}),
  })
  for await (const batch of stream.batches()) {
    received += batch.length
    if (batch.at(-1)?.data === 'stop') break
  }
} catch (error) {
  end = error instanceof SseError ? error.code : `${error}`
}
look()
clearInterval(timer)
console.log(JSON.stringify({ received, end, peak: peak / 2 ** 20 }))

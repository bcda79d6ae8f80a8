import { setTimeout as sleep } from 'node:timers/promises'

/** Milliseconds for finalizers, which run between collections. */
const FINALIZERS = 20

/** Bytes in use when all that can be collected has been. */
export async function settledHeap(): Promise<number> {
  for (let pass = 0; pass < 4; pass++) {
    globalThis.gc?.()
    await sleep(FINALIZERS)
  }
  return process.memoryUsage().heapUsed
}

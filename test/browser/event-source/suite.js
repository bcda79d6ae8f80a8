import { EventSource as Ours } from '/dist/index.js'
import { pageScenarios, play } from './scenarios.js'

self.classes = { native: EventSource, ours: Ours }

/** @returns what the native class makes of a scenario, and what ours makes of it */
async function playBoth({ name, key, sites }) {
  const native = play('native', name, `${key}, native`, sites)
  // What is done to the page is done to both.
  if (name in pageScenarios) await native
  return Promise.all([native, play('ours', name, `${key}, ours`, sites)])
}

const scopes = {
  window: playBoth,
  'dedicated worker': (scenario) => {
    const worker = new Worker(import.meta.url, { type: 'module' })
    return ask(worker, worker, scenario).finally(() => worker.terminate())
  },
  'shared worker': (scenario) => {
    const worker = new SharedWorker(import.meta.url, { type: 'module', name: scenario.key })
    worker.port.start()
    return ask(worker, worker.port, scenario).finally(() => worker.port.postMessage('close'))
  },
}

function ask(worker, port, scenario) {
  return new Promise((resolve, reject) => {
    worker.onerror = ({ message }) => reject(new Error(message ?? 'The worker failed'))
    port.onmessage = ({ data }) => (data instanceof Error ? reject(data) : resolve(data))
    port.postMessage(scenario)
  })
}

const answer = async ({ data, target }) => {
  if (data === 'close') return close()
  ;(target.postMessage ? target : self).postMessage(await playBoth(data).catch((error) => error))
}

if ('SharedWorkerGlobalScope' in self) {
  self.onconnect = ({ ports: [port] }) => {
    port.onmessage = answer
  }
} else if ('DedicatedWorkerGlobalScope' in self) {
  self.onmessage = answer
}

// What the test calls.
self.playIn = (scope, scenario) => scopes[scope](scenario)

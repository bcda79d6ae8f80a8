import { EventSource as Ours, whenVisible } from '/dist/index.js'

/** What happens to the page and to its stream, in order; events by their IDs beside it. */
const story = []
const ids = []

addEventListener('pagehide', ({ persisted }) => story.push(`pagehide:${persisted}`))
addEventListener('pageshow', ({ persisted }) => story.push(`pageshow:${persisted}`))
for (const type of ['online', 'offline']) addEventListener(type, () => story.push(type))
document.addEventListener('visibilitychange', () => story.push(document.visibilityState))

/** Of the last attempt. */
let signal

/** The page's own view: the server may hear of a connection before it hears that another is gone. */
function watched(url, init) {
  if (signal?.aborted === false) story.push('a second connection')
  signal = init.signal
  return fetch(url, init)
}

/** Opens a stream with ours or the native class. */
function start(which, url, onlyVisible) {
  const gate = onlyVisible ? whenVisible() : undefined
  const source = which === 'ours' ? new Ours(url, { fetch: watched, gate }) : new EventSource(url)
  source.onopen = () => story.push('open')
  source.onerror = () => story.push(`error:${source.readyState}`)
  source.onmessage = ({ data }) => ids.push(Number(data))
  page.source = source
}

/** How many of the events between the first and the last did not come, or came twice. */
function losses() {
  const seen = new Set(ids)
  const span = ids.length > 0 ? ids.at(-1) - ids[0] + 1 : 0
  return { missed: span - seen.size, doubled: ids.length - seen.size }
}

const page = { story, ids, start, losses }
Object.assign(globalThis, { page })

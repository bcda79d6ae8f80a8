import {
  expectCount,
  expectOneOf,
  expectRange,
  expectTime,
  expectType,
  isPromise,
  kindOf,
} from './expect'

/** Throws for a value that can never work; not asked about `undefined`, which says "not given". */
type Check = (name: string, value: unknown) => unknown
type Checks = Readonly<Record<string, Check>>
/** Names that are no options, and what their users mean. */
type Meanings = Readonly<Record<string, string>>

const anything: Check = () => {}
const text: Check = (name, value) => expectType(name, value, 'string')
const fn: Check = (name, value) => expectType(name, value, 'function')
const time: Check = (name, value) => expectTime(name, value)
const deadline: Check = (name, value) => expectTime(name, value, true)
const count: Check = (name, value) => expectCount(name, value)

const RETRY: Checks = {
  delay: time,
  factor: time,
  jitter: (name, value) =>
    expectRange(name, value, 'from 0 to 1', (jitter) => jitter >= 0 && jitter <= 1),
  maxDelay: time,
  maxRetries: count,
  resetAfter: time,
}

/** Of `events`, and of everything in `tidings/parser`. */
const SHARED: Checks = {
  incomplete: (name, value) => expectOneOf(name, value, 'drop', 'deliver'),
  lastEventId: text,
  maxEventSize: (name, value) => expectCount(name, value, true),
  onComment: fn,
}

/** Of `tidings/parser`. */
const PARSER: Checks = {
  ...SHARED,
  block: fn,
  onIgnored: fn,
  onRetry: fn,
}

const EVENTS: Checks = {
  ...SHARED,
  accept: fn,
  authStatuses: checkStatuses,
  body: refusePromise,
  connectTimeout: deadline,
  cursor: fn,
  decode: (name, value) => typeof Object(value).decode === 'function' || fn(name, value),
  fetch: fn,
  gate: fn,
  headers: checkStaticHeaders,
  idleTimeout: (name, value) => typeof value === 'function' || deadline(name, value),
  json: refusePromise,
  method: text,
  onEnd: (name, value) => expectOneOf(name, value, 'reconnect', 'complete'),
  onOpen: fn,
  onReconnect: fn,
  resume: (name, value) => {
    if (value === 'same' || typeof value === 'function') return
    throw new TypeError(`Expected ${name} to be a function or 'same', got ${kindOf(value)}`)
  },
  retry: checkRetry,
  signal: checkSignal,
  skip: fn,
  store: (name, value) => {
    const { get, set } = Object(value)
    if (typeof get === 'function' && typeof set === 'function') return
    throw new TypeError(`Expected ${name} to have get() and set(), got ${kindOf(value)}`)
  },
  until: (name, value) => {
    if (typeof Object(value).type === 'string') return
    if (typeof value === 'string' || typeof value === 'function') return
    throw new TypeError(
      `Expected ${name} to be a string, { type } or a function, got ${kindOf(value)}`,
    )
  },
}

const EVENT_SOURCE: Checks = {
  ...EVENTS,
  sendUrl: (name, value) => {
    if (typeof value === 'function') expectType(name, value, 'string or URL')
    checkInput(value, name)
  },
  // As the standard has it, any value is a boolean.
  withCredentials: anything,
}

const USE_EVENTS: Checks = {
  ...EVENTS,
  immediate: (name, value) => expectType(name, value, 'boolean'),
  initial: anything,
  limit: count,
  onEvent: fn,
  reduce: fn,
}

/** In the original, `null` is as good as nothing. */
const fnOrNull: Check = (name, value) => value === null || fn(name, value)

const FETCH_EVENT_SOURCE: Checks = {
  fetch: fnOrNull,
  headers: checkStaticHeaders,
  maxEventSize: SHARED.maxEventSize as Check,
  method: text,
  onclose: fnOrNull,
  onerror: fnOrNull,
  onmessage: fnOrNull,
  onopen: fnOrNull,
  openWhenHidden: anything,
  signal: checkSignal,
}

/** Options of `fetch` in one runtime or another: they are not misspelt ones of ours. */
const FETCH =
  /^(adAuctionHeaders|attributionReporting|browsingTopics|cache|cf|client|credentials|dispatcher|duplex|integrity|keepalive|mode|next|priority|privateToken|proxy|redirect|referrer|referrerPolicy|sharedStorageWritable|targetAddressSpace|tls|unix|verbose|window)$/

/** Our former names, those of our rivals, and habits. */
const MEANINGS: Meanings = {
  abortController: 'signal',
  abortSignal: 'signal',
  autoReconnect: 'retry',
  backoff: 'retry',
  connectionTimeout: 'connectTimeout',
  dedupe: 'skip: dedupe(n)',
  heartbeat: 'idleTimeout',
  heartbeatTimeout: 'idleTimeout',
  idempotencyKey: "headers: { 'Idempotency-Key': key }",
  initialReconnectionTime: 'retry.delay',
  initialRetryInterval: 'retry.delay',
  keepAliveTimeout: 'idleTimeout',
  maxAttempts: 'retry.maxRetries',
  maxBufferSize: 'maxEventSize',
  maxReconnectAttempts: 'retry.maxRetries',
  maxRetryCount: 'retry.maxRetries',
  maxRetryInterval: 'retry.maxDelay',
  onClose: 'the end of the for await loop',
  onDisconnect: 'onReconnect',
  onError: 'onReconnect, or a catch around the for await loop',
  onEvent: 'a for await loop',
  onInvalid: 'decode: validated(schema, { onInvalid })',
  onMessage: 'a for await loop',
  onScheduleReconnect: 'onReconnect',
  openWhenHidden: 'gate: whenVisible()',
  parse: 'decode',
  pauseWhenHidden: 'gate: whenVisible()',
  reconnect: 'retry',
  reconnectDelay: 'retry.delay',
  reconnectInterval: 'retry.delay',
  reconnectionTime: 'retry.delay',
  retries: 'retry.maxRetries',
  retryCount: 'retry.maxRetries',
  retryDelay: 'retry.delay',
  retryInterval: 'retry.delay',
  retryOn: 'retry: (context) => …',
  retryPolicy: 'retry',
  schema: 'decode: validated(schema)',
  sendUrl: 'new EventSource(url, { sendUrl })',
  statuses: 'retry: (context) => …',
  waitForOnline: 'gate',
  withCredentials: "credentials: 'include'",
}

const EVENT_SOURCE_MEANINGS: Meanings = {
  ...MEANINGS,
  accept: 'events(url, { accept })',
  credentials: 'withCredentials',
  mode: 'withCredentials',
  onClose: "addEventListener('error', …)",
  onError: "addEventListener('error', …)",
  onEvent: "addEventListener('message', …)",
  onMessage: "addEventListener('message', …)",
  // Not onOpen, which is an option: its argument is the response.
  onopen: "addEventListener('open', …)",
  window: 'events(url, { window })',
}

const USE_EVENTS_MEANINGS: Meanings = {
  ...MEANINGS,
  enabled: 'null for the URL',
  onClose: 'the status of what useEvents returns',
  onError: 'onReconnect, or the error of what useEvents returns',
  onMessage: 'onEvent',
}

/**
 * Checks what can be known of the arguments of `events` before any request. What is for `fetch` is
 * checked where the request is planned.
 *
 * @throws {TypeError | RangeError}
 */
export function checkEvents(input: unknown, options: object): void {
  checkInput(input)
  checkOptions(options, EVENTS, MEANINGS)
}

/** As {@link checkEvents}, for `useEvents` with something to open. */
export function checkUseEvents(input: unknown, options: object): void {
  checkInput(input)
  checkOptions(options, USE_EVENTS, USE_EVENTS_MEANINGS)
}

/** As {@link checkEvents}, for `new EventSource`. */
export function checkEventSource(input: unknown, init: object): void {
  // Anything else is stringified, as the standard has it.
  if (isRequestOrResponse(input)) checkInput(input)
  const { accept: _, ...checks } = EVENT_SOURCE
  checkOptions(init, checks, EVENT_SOURCE_MEANINGS)
}

/**
 * As {@link checkEvents}, for `fetchEventSource`. A change of the import has to do for its users, so
 * a name is refused only where nothing but its case is wrong.
 */
export function checkFetchEventSource(init: object): void {
  const names = Object.keys(FETCH_EVENT_SOURCE)
  const meanings = names.map((name) => [name.toLowerCase(), name])
  for (const name of Object.keys(init)) {
    const meant = new Map(meanings as [string, string][]).get(name.toLowerCase())
    if (meant && meant !== name) refuse(name, meant)
  }
  checkOptions(init, FETCH_EVENT_SOURCE)
}

/** As {@link checkEvents}, for everything in `tidings/parser`. */
export function checkParser(options: object): void {
  for (const name of unknownNames(options, PARSER)) {
    refuse(name, Object.hasOwn(EVENTS, name) ? `events(url, { ${name} })` : meaning(name, PARSER))
  }
  checkOptions(options, PARSER)
}

/** @throws {TypeError} unless it is a URL, or a function that makes one */
export function checkInput(input: unknown, name = 'a URL'): void {
  if (/^(string|function)$/.test(typeof input) || typeof Object(input).href === 'string') return
  const found = isRequestOrResponse(input)
  const advice =
    found === 'Request'
      ? '. Take it apart: events(...fromRequest(request))'
      : found && '. Read its events by readEvents(response) of tidings/parser'
  throw new TypeError(`Expected ${name}, got ${found ? `a ${found}${advice}` : kindOf(input)}`)
}

interface Given {
  readonly headers?: unknown
  readonly body?: unknown
  readonly json?: unknown
  readonly fetch?: unknown
}

/** Checks what a request sends, as far as no function makes it; `headers` as pairs. */
export function checkRequest(
  { headers, body, json, fetch }: Given,
  init: Record<string, unknown> & { method: string },
): void {
  const { method } = init
  const sends = body != null || json !== undefined
  if (body != null && json !== undefined) throw new TypeError('Expected body or json, got both')
  if (sends && /^(get|head)$/i.test(method)) {
    throw new TypeError(`Expected no body with ${method}, got one. Use method: 'POST'`)
  }
  // A fetch of the caller's may know what to do with it.
  const isPlain = [Object.prototype, Array.prototype].includes(Object.getPrototypeOf(Object(body)))
  if (!fetch && body != null && isPlain) {
    throw new TypeError(
      `Expected a body that fetch can send, got ${kindOf(body)}. Use json to send a value as JSON`,
    )
  }
  if (json !== undefined && typeof json !== 'function' && JSON.stringify(json) === undefined) {
    throw new TypeError(`Expected a JSON value, got ${typeof json}`)
  }
  if (Array.isArray(headers)) for (const [name, value] of headers) checkHeader(name, value)
  try {
    if (globalThis.Request) new globalThis.Request('http://localhost', init)
  } catch (thrown) {
    throw new TypeError(refusedInit(init, thrown))
  }
}

/** Which member `Request` refuses. Its own words may hold an address, a referrer's. */
export function refusedInit(init: object, thrown: unknown): string {
  const member = Object.entries(init).find(([name, value]) => {
    try {
      new globalThis.Request('http://localhost', { method: 'POST', [name]: value })
      return false
    } catch {
      return true
    }
  })
  const words = member?.[0] === 'referrer' ? '' : `: ${Object(thrown).message}`
  return `Expected ${member?.[0] ?? 'options'} as fetch takes it, got another value${words}`
}

/** Headers as they are given, or made by a function. */
export function checkHeaders(name: string, value: unknown): void {
  refusePromise(name, value)
  if (value !== null) expectType(name, value, 'function or object')
}

/** An iterator is not touched, since it can be read once only. */
function checkStaticHeaders(name: string, value: unknown): void {
  checkHeaders(name, value)
  const { next, [Symbol.iterator]: iterator } = Object(value)
  if (typeof value === 'function' || typeof next === 'function') return
  for (const pair of (iterator ? value : Object.entries(Object(value))) as Iterable<unknown>) {
    if (!Array.isArray(pair) || pair.length !== 2) {
      throw new TypeError(`Expected ${name} of pairs [name, value], got ${kindOf(pair)} in them`)
    }
    checkHeader(pair[0], pair[1])
  }
}

/** Checks one header; its value stays quiet, since it may be a token. */
export function checkHeader(name: string, value: unknown): void {
  if (value === null || value === undefined) return
  const quoted = JSON.stringify(`${name}`)
  if (Object(value) === value || typeof value === 'symbol') {
    throw new TypeError(`Expected header ${quoted} to be a string, got ${kindOf(value)}`)
  }
  try {
    new Headers([[name, `${value}`]])
  } catch {
    throw new TypeError(`Expected header ${quoted} in Latin-1 without line breaks, got another`)
  }
}

/** A promise would be sent as `[object Promise]`, or as `{}`. */
function refusePromise(name: string, value: unknown): void {
  if (!isPromise(value)) return
  throw new TypeError(
    `Expected ${name} or a function, got a promise. Use ${name}: async () => …, which is called for each attempt`,
  )
}

function checkRetry(name: string, value: unknown): void {
  if (value === false || typeof value === 'function') return
  if (Object(value) !== value || Array.isArray(value)) {
    throw new TypeError(
      `Expected ${name} to be an object, a function or false, got ${kindOf(value)}`,
    )
  }
  const options = value as object
  for (const own of unknownNames(options, RETRY)) {
    const meant = meaning(own, RETRY)
    refuse(`retry.${own}`, meant && meant in RETRY ? `retry.${meant}` : meant)
  }
  for (const [own, check] of Object.entries(RETRY)) {
    const given = (options as Record<string, unknown>)[own]
    if (given !== undefined) check(`retry.${own}`, given)
  }
}

function checkSignal(name: string, value: unknown): void {
  const { aborted, addEventListener } = Object(value)
  if (value === null || (typeof aborted === 'boolean' && typeof addEventListener === 'function')) {
    return
  }
  const advice = Object(value).signal ? '. Pass its signal' : ''
  throw new TypeError(`Expected ${name} to be an AbortSignal, got ${kindOf(value)}${advice}`)
}

function checkStatuses(name: string, value: unknown): void {
  const isStatus = (status: unknown) =>
    Number.isInteger(status) && (status as number) > 99 && (status as number) < 600
  if (!Array.isArray(value) || !value.every(isStatus)) {
    throw new TypeError(`Expected ${name} to be an array of statuses, got ${kindOf(value)}`)
  }
}

/** @param meanings - whether, and by what words, to refuse names that are near to ours */
function checkOptions(options: object, checks: Checks, meanings?: Meanings): void {
  expectType('options', options, 'object')
  for (const name of meanings ? unknownNames(options, checks) : []) {
    // Bun has one of that name, which is a boolean.
    const isTimeout =
      name === 'timeout' && typeof (options as { timeout?: unknown }).timeout === 'number'
    const meant = isTimeout ? 'connectTimeout or idleTimeout' : meaning(name, checks, meanings)
    if (meant) refuse(name, meant)
  }
  for (const [name, check] of Object.entries(checks)) {
    const value = (options as Record<string, unknown>)[name]
    if (value !== undefined) check(name, value)
  }
}

function unknownNames(options: object, checks: Checks): string[] {
  return Object.entries(options)
    .filter(([name, value]) => value !== undefined && !Object.hasOwn(checks, name))
    .map(([name]) => name)
}

/** What whoever wrote an unknown name has meant: what we know of it, or the nearest of ours. */
function meaning(name: string, checks: Checks, meanings: Meanings = MEANINGS): string | undefined {
  if (Object.hasOwn(meanings, name)) return meanings[name]
  if (FETCH.test(name)) return undefined
  const known = Object.entries({
    ...Object.fromEntries(Object.keys(RETRY).map((own) => [own, `retry.${own}`])),
    ...meanings,
    ...Object.fromEntries(Object.keys(checks).map((own) => [own, own])),
  })
  let least = name.length > 5 ? 2 : 1
  let meant: string | undefined
  for (const [own, words] of known) {
    const distance = distanceOf(name.toLowerCase(), own.toLowerCase())
    if (distance > least || (meant && distance === least)) continue
    least = distance
    meant = words
  }
  return meant
}

function refuse(name: string, meant: string | undefined): never {
  throw new TypeError(`Unknown option ${name}${meant ? `: did you mean ${meant}?` : ''}`)
}

/** How many letters to add, to leave out, to change, or to swap with the next. */
function distanceOf(one: string, other: string): number {
  const rows = [[...Array(other.length + 1).keys()]]
  for (let i = 1; i <= one.length; i++) {
    const row = [i]
    for (let j = 1; j <= other.length; j++) {
      const above = rows[i - 1] as number[]
      const same = one[i - 1] === other[j - 1] ? 0 : 1
      let least = Math.min(
        (above[j] as number) + 1,
        (row[j - 1] as number) + 1,
        (above[j - 1] as number) + same,
      )
      if (i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1]) {
        least = Math.min(least, (rows[i - 2]?.[j - 2] as number) + 1)
      }
      row.push(least)
    }
    rows.push(row)
  }
  return rows[one.length]?.[other.length] as number
}

function isRequestOrResponse(input: unknown): 'Request' | 'Response' | undefined {
  // By shape, because realms have classes of their own.
  const { url, method, status, headers } = Object(input)
  if (typeof url !== 'string' || typeof headers?.get !== 'function') return undefined
  if (typeof method === 'string') return 'Request'
  return typeof status === 'number' ? 'Response' : undefined
}

// Runs in a window, a dedicated worker or a shared worker, once with the native class and once with
// ours. What a scenario tells, and what the server saw of it, is to be the same for both.

/** @typedef {import('./server').Answer} Answer */

/** Milliseconds in which a source that reconnects, wrongly, would have done so. */
const QUIET = 300
/** Milliseconds that anything may take. */
const PATIENCE = 10_000

const utf8 = (text) => String.fromCharCode(...new TextEncoder().encode(text))
/** @type {(body?: string, more?: Answer) => Answer} */
const stream = (body = '', more = {}) => ({ body: body ? [utf8(body)] : [], ...more })
/** @type {(body?: string, more?: Answer) => Answer} */
const keep = (body, more) => stream(body, { after: 'keep', ...more })
/** @type {(location: string, status?: number, more?: Answer) => Answer} */
const redirect = (location, status = 302, more = {}) => ({ status, headers: { location }, ...more })

const sleep = (delay) => new Promise((resolve) => setTimeout(resolve, delay))

async function until(condition) {
  const end = performance.now() + PATIENCE
  while (!condition()) {
    if (performance.now() > end) throw new Error(`Waited in vain until ${condition}`)
    await sleep(5)
  }
}

/** Writes down what a source fires. */
function record(source, types = ['open', 'message', 'error']) {
  const story = []
  for (const type of types) {
    source.addEventListener(type, (event) => {
      const { data, lastEventId, origin } = event
      const fields = event instanceof MessageEvent ? [data, lastEventId, origin] : []
      story.push([type, source.readyState, ...fields].join(':'))
    })
  }
  return story
}

/** The story of a source, so many entries long. */
async function told(source, length, types) {
  const story = record(source, types)
  await until(() => story.length >= length)
  source.close()
  return story
}

/** The story of a source that fires one event and no more. */
async function ended(source) {
  const story = record(source)
  await until(() => story.length > 0)
  await sleep(QUIET)
  source.close()
  return story
}

function thrown(run) {
  try {
    run()
    return 'nothing'
  } catch (error) {
    const { name } = error.constructor
    return [error.name, error.code, error.constructor === self[name] && name].join(' ')
  }
}

/** What an own property is, in words. */
function described(target, key) {
  const { value, get, set, ...flags } = Object.getOwnPropertyDescriptor(target, key)
  const what = get
    ? `${get.name}/${get.length} ${set ? `${set.name}/${set.length}` : ''}`
    : typeof value === 'function'
      ? `function ${value.name}/${value.length}`
      : typeof value === 'object'
        ? 'object'
        : String(value)
  const on = Object.keys(flags).filter((flag) => flags[flag])
  return `${String(key)}: ${what} ${on.sort().join(' ')}`
}

/**
 * What a scenario is played with.
 *
 * @typedef {{
 *   EventSource: typeof EventSource,
 *   open(url: string | URL, init?: object): EventSource,
 *   here(...answers: Answer[]): string,
 *   there(...answers: Answer[]): string,
 *   classIn(realm: Window): typeof EventSource,
 *   page: string,
 * }} Stage
 */

/** @type {Record<string, (stage: Stage) => Promise<string[]>>} */
export const scenarios = {}

/** One scenario for each row. */
function each(rows, name, play) {
  for (const [row, ...rest] of rows) {
    scenarios[name.replace('%s', row)] = (stage) => play(stage, ...(rest.length ? rest : [row]))
  }
}

// The interface.

scenarios['the layout of the interface'] = async ({ EventSource }) => {
  // The standard's names, in one order; what a class has beside them is its own affair.
  const attributes = ['url', 'withCredentials', 'readyState', 'onopen', 'onmessage', 'onerror']
  const constants = ['CONNECTING', 'OPEN', 'CLOSED']
  const { prototype } = EventSource
  return [
    ...['length', 'name', 'prototype', ...constants].map((key) => described(EventSource, key)),
    ...[...constants, ...attributes, 'close', 'constructor', Symbol.toStringTag].map((key) =>
      described(prototype, key),
    ),
    Object.getPrototypeOf(EventSource) === EventTarget,
    Object.getPrototypeOf(prototype) === EventTarget.prototype,
    ...attributes.map((key) => thrown(() => prototype[key])),
    thrown(() => prototype.close()),
    thrown(() => EventSource('/')),
  ].map(String)
}

each(
  [
    ['the empty string', ''],
    ['a relative path', 'a/../b?c#d'],
    ['an absolute path', '/a'],
    ['another origin', 'http://other.test'],
    ['null', null],
    ['undefined', undefined],
    ['a number', 7],
    ['a URL object', new URL('http://other.test/x y')],
    ['an object with toString', { toString: () => '/o' }],
    ['an international host', 'http://élève.test/'],
    ['a lone surrogate', '/\ud800'],
  ],
  'the URL of a source of %s',
  async ({ open }, url) => {
    const source = open(url)
    source.close()
    return [source.url, String(source.readyState)]
  },
)

scenarios['what the constructor throws'] = async ({ EventSource }) => {
  const failing = {
    get withCredentials() {
      throw new RangeError('read')
    },
    toString() {
      throw new EvalError('stringified')
    },
  }
  return [
    thrown(() => new EventSource()),
    thrown(() => new EventSource(Symbol('url'))),
    thrown(() => new EventSource('http://no host/')),
    thrown(() => new EventSource('http://[')),
    thrown(() => new EventSource(failing)),
    thrown(() => new EventSource('http://no host/', failing)),
    thrown(() => new EventSource('/', 1)),
    thrown(() => new EventSource('/', 'init')),
    thrown(() => new EventSource('/', Symbol('init'))),
  ]
}

each(
  [[undefined], [null], [0], [1], [''], ['false'], [true], [false], [Number.NaN]],
  'withCredentials: %s',
  async ({ open }, withCredentials) => {
    const source = open('/', { withCredentials })
    source.close()
    return [String(source.withCredentials)]
  },
)

scenarios['no init, in its forms'] = async ({ open }) =>
  [undefined, null, {}, () => {}, Object.create({ withCredentials: true })].map((init) => {
    const source = open('/', init)
    source.close()
    return String(source.withCredentials)
  })

// The life of a connection.

scenarios['open, events, an end, a reconnect'] = ({ open, here }) =>
  told(open(here(stream('retry: 1\nid: a\ndata: 1\n\ndata: 2\n\n'), keep('data: 3\n\n'))), 6)

scenarios['nothing before the constructor returns'] = async ({ open, here }) => {
  const source = open(here(keep('data: 1\n\n')))
  const before = source.readyState
  return [String(before), ...(await told(source, 2))]
}

scenarios['open comes with the headers'] = ({ open, here }) => told(open(here(keep())), 1)

scenarios['a cut in the body'] = ({ open, here }) =>
  told(
    open(here(stream('retry: 1\ndata: 1\n\ndata: 2\n', { after: 'cut' }), keep('data: 3\n\n'))),
    5,
  )

scenarios['a cut before the headers'] = async ({ open, here }) => {
  // After an answer that makes the wait short.
  const source = open(here(stream('retry: 1\n\n'), { cut: true }, keep('data: 1\n\n')))
  return told(source, 5)
}

scenarios['a stream without a body'] = ({ open, here }) =>
  told(open(here(stream('', { headers: { 'content-length': '0' } }))), 2)

scenarios['a compressed stream'] = ({ open, here }) =>
  told(open(here(keep('data: 1\n\ndata: 2\n\n', { gzip: true }))), 3)

scenarios['a server that is not there'] = async ({ open }) => {
  const source = open('http://127.0.0.1:9/')
  const story = record(source)
  await until(() => story.length > 0)
  source.close()
  return story
}

each(
  [
    [201],
    [202],
    [203],
    [204],
    [205],
    [206],
    [210],
    [299],
    [304],
    [400],
    [401],
    [403],
    [404],
    [429],
  ].concat([[500], [503]]),
  'status %s',
  ({ open, here }, status) => ended(open(here({ status }))),
)

each(
  [
    'text/event-stream',
    'text/event-stream;',
    'text/event-stream; charset=utf-8',
    'text/event-stream; charset=windows-1252',
    'text/event-stream;foo=bar',
    'text/event-stream;foo',
    'text/event-stream ; a=b',
    'TEXT/Event-Stream',
    ' text/event-stream',
    'text/html, text/event-stream',
    'text/event-stream, text/html',
    'text/event-stream, no type',
    'text/event-stream,',
    'text/event-stream foo',
    'text/event-streamfoo',
    'text/plain',
    'text/plain; text/event-stream',
    'x bogus',
    '',
  ].map((type) => [`"${type}"`, type]),
  'content type %s',
  async ({ open, here }, type) => {
    const source = open(here(stream('data: é\n\n', { headers: { 'content-type': type } })))
    const story = record(source)
    await until(() => story.length >= 3 || source.readyState === 2)
    source.close()
    return story
  },
)

each(
  [
    ['text/html', 'text/event-stream'],
    ['text/event-stream', 'text/html'],
  ].map((types) => [types.join(' and '), types]),
  'two content types: %s',
  async ({ open, here }, types) => {
    const source = open(here(stream('data: 1\n\n', { headers: { 'content-type': types } })))
    const story = record(source)
    await until(() => story.length >= 3 || source.readyState === 2)
    source.close()
    return story
  },
)

each([[301], [302], [303], [307], [308]], 'a redirect by %s', ({ open, here }, status) => {
  const source = open(here(redirect(here(keep('data: 1\n\n')), status)))
  return told(source, 2)
})

scenarios['a redirect without a location'] = ({ open, here }) => ended(open(here({ status: 302 })))

scenarios['redirects without end'] = async ({ open, here }) => {
  const source = open(here(redirect('#again')))
  const story = record(source)
  await until(() => story.length > 0)
  source.close()
  return story
}

scenarios['a redirect to nowhere'] = async ({ open, here }) => {
  const source = open(here(redirect('http://%zz')))
  const story = record(source)
  await until(() => story.length > 0)
  source.close()
  return story
}

scenarios['a redirect to another scheme'] = ({ open, here }) =>
  ended(open(here(redirect('ftp://x/'))))

// Requests to another origin.

const any = { cors: 'any' }

each(
  [[undefined], [false], [true]],
  'another origin, withCredentials: %s',
  ({ open, there }, withCredentials) =>
    told(open(there(keep('data: 1\n\n', { cors: 'credentials' })), { withCredentials }), 2),
)

each(
  [
    ['any', 'any', false],
    ['any, with credentials', 'any', true],
    ['this one, without credentials', 'origin', false],
    ['this one, but not its credentials', 'origin', true],
    ['another', 'other', false],
    ['none', undefined, false],
  ],
  'another origin that allows %s',
  async ({ open, there }, cors, withCredentials) => {
    const source = open(there(keep('data: 1\n\n', { cors })), { withCredentials })
    const story = record(source)
    await until(() => story.length > 1 || source.readyState === 2)
    source.close()
    return story
  },
)

each(
  [
    ['and back', ({ here, there }) => there(redirect(here(keep('data: 1\n\n', any)), 302, any))],
    ['there', ({ here, there }) => here(redirect(there(keep('data: 1\n\n', any))))],
    ['there, which allows none', ({ here, there }) => here(redirect(there(keep('data: 1\n\n'))))],
    [
      'there and there again',
      ({ there }) => there(redirect(there(keep('data: 1\n\n', any)), 307, any)),
    ],
  ],
  'a redirect from origin to origin: %s',
  async (stage, make) => {
    const source = stage.open(make(stage))
    const story = record(source)
    await until(() => story.length > 1 || (story.length > 0 && story[0].startsWith('error')))
    source.close()
    return story
  },
)

scenarios['a reconnect to another origin, without an ID'] = ({ open, there }) =>
  told(open(there(stream('retry: 1\ndata: 1\n\n', any), keep('data: 2\n\n', any))), 5)

scenarios['a reconnect to another origin, with an ID'] = ({ open, there }) =>
  told(open(there(stream('retry: 1\nid: 1\ndata: 1\n\n', any), keep('data: 2\n\n', any))), 5)

// URLs that cannot be fetched.

each(
  [
    'ftp://127.0.0.1/',
    'about:blank',
    'mailto:somebody@example.org',
    'javascript:alert(1)',
    'file:///etc/passwd',
    'ws://127.0.0.1/',
    'unheard-of:',
    'data:text/plain,no',
    'data:no comma',
    'blob:http://127.0.0.1/gone',
  ].map((url) => [url]),
  'a source of %s',
  ({ open }, url) => ended(open(url)),
)

scenarios['a source with a user name and a password'] = ({ open, here }) =>
  ended(open(here(keep()).replace('//', '//user:secret@')))

scenarios['a source of a data URL'] = ({ open }) =>
  told(open('data:text/event-stream,retry:1%0Adata:1%0A%0A'), 3)

scenarios['a source of a blob'] = async ({ open }) => {
  const blob = new Blob(['retry: 1\ndata: 1\n\n'], { type: 'text/event-stream' })
  const url = URL.createObjectURL(blob)
  const source = open(url)
  return (await told(source, 3)).map((line) => line.replace(url, 'blob'))
}

// The last event ID.

each(
  [
    ['of the last event', 'id: 1\ndata\n\nid: 2\ndata\n\n'],
    ['in UTF-8', 'id: …é\ndata\n\n'],
    ['carried over', 'id: 1\ndata\n\ndata\n\n'],
    ['of a block without data', 'id: 1\n\n'],
    ['reset', 'id: 1\ndata\n\nid\ndata\n\n'],
    ['cut off', 'id: 1\ndata\n\nid: 2\ndata\n'],
    ['with a NUL', 'id: 1\ndata\n\nid: 2\0\ndata\n\n'],
    ['with spaces', 'id:  a b \ndata\n\n'],
    ['absent', 'data\n\n'],
  ],
  'the last event ID, %s',
  ({ open, here }, body) => {
    const source = open(here(stream(`retry: 1\n${body}`), keep('event: end\ndata\n\n')))
    return told(source, 1, ['end'])
  },
)

scenarios['the last event ID, over three connections'] = ({ open, here }) =>
  told(
    open(
      here(
        stream('retry: 1\nid: 1\ndata\n\n'),
        stream('data\n\n'),
        keep('data\n\nid: 3\ndata\n\n'),
      ),
    ),
    9,
  )

// What a stream says.

each(
  [
    ['LF, CR and CRLF', ['data:1\n\ndata:2\r\rdata:3\r\n\r\ndata:4\r\n\ndata:5\n\r']],
    ['a CRLF in two', ['data:1\r', '\n\r', '\ndata:2\r\n\r\n']],
    ['a BOM', ['\xef\xbb\xbfdata:1\n\n']],
    ['a BOM in pieces', ['\xef', '\xbb', '\xbfdata:1\n\n']],
    ['two BOMs', ['\xef\xbb\xbf\xef\xbb\xbfdata:1\n\ndata:2\n\n']],
    ['a BOM later', ['data:1\n\n\xef\xbb\xbfdata:2\n\ndata:\xef\xbb\xbf3\n\n']],
    ['characters in pieces', ['data:\xe2', '\x82', '\xac\xf0\x9f', '\x98\x80\n\n']],
    ['broken UTF-8', ['data:\xff\xe2\x82x\n\n']],
    ['NUL', ['data:a\0b\n\ndata\0:no\n\n']],
    ['leading spaces', ['data: 1\n\ndata:  2\n\ndata:\t3\n\ndata : no\n\n data:no\n\n']],
    ['empty data', ['data\n\ndata:\n\ndata\ndata\n\ndata:\ndata:x\n\n']],
    ['no data', ['\n\n\nevent:x\n\nid:1\n\n:\n\ndata:1\n\n']],
    ['comments', [':\n: a\n:data:no\ndata:1\n:\ndata:2\n\n']],
    ['unknown fields', ['dat:1\nDATA:2\n data:3\nfoo\nfoo:bar\ndata:4\n\n']],
    ['colons', ['data::1:\n\nid:a:b\ndata:2\n\n']],
    [
      'types',
      [
        'event:x\ndata:1\n\nevent:\ndata:2\n\nevent\ndata:3\n\nevent:x\nevent:message\ndata:4\n\nevent: x \ndata:no\n\n',
      ],
    ],
    ['the source’s own types', ['event:open\ndata:1\n\nevent:error\ndata:2\n\n']],
    ['an end in mid-event', ['data:1\n\ndata:no']],
  ],
  'a stream with %s',
  async ({ open, here }, body) => {
    const end = 'event:end\ndata:\n\n'
    // What is cut off is seen by what the next connection begins with.
    const whole = !body.at(-1).endsWith('no')
    const first = { body: ['retry:1\n', ...body, ...(whole ? [end] : [])] }
    const source = open(here({ ...first, after: whole ? 'keep' : 'end' }, keep(end)))
    const story = record(source, ['open', 'message', 'error', 'x', 'end'])
    await until(() => story.some((line) => line.startsWith('end')))
    source.close()
    return story
  },
)

// The file starts with a BOM only where `retry` does not come first.
each(
  [
    ['a BOM', ['\xef\xbb\xbfdata:1\n\ndata:2\n\n']],
    ['a BOM in pieces', ['\xef', '\xbb', '\xbfdata:1\n\ndata:2\n\n']],
    ['two BOMs', ['\xef\xbb\xbf\xef\xbb\xbfdata:1\n\ndata:2\n\n']],
    ['half a BOM', ['\xef\xbbdata:1\n\ndata:2\n\n']],
    ['a lone CR', ['\rdata:1\r', '\r', 'data:2\n\n']],
  ],
  'a stream that begins with %s',
  async ({ open, here }, body) => {
    const source = open(here(stream('', { body, after: 'keep' })))
    const story = record(source)
    await until(() => story.at(-1)?.includes(':2:'))
    source.close()
    return story
  },
)

each(
  [
    ['digits', 'retry: 1\n'],
    ['leading zeros', 'retry: 0001\n'],
    [
      'bogus ones after it',
      'retry: 1\nretry: 9000x\nretry: -1\nretry: 1e4\nretry: 9000.5\nretry: +9000\n',
    ],
    ['an empty one after it', 'retry: 1\n\nretry:1\nretry: 1\n'],
    ['zero', 'retry: 0\n'],
  ],
  'retry with %s',
  ({ open, here }, body) => told(open(here(stream(`${body}data: 1\n\n`), keep('data: 2\n\n'))), 5),
)

scenarios['a long line in many pieces'] = async ({ open, here }) => {
  const pieces = Array.from({ length: 50 }, () => 'x'.repeat(100))
  const source = open(here(stream('', { body: ['data:', ...pieces, '\n\n'], after: 'keep' })))
  const [opened, message] = await told(source, 2)
  return [opened, String(message.length - source.url.indexOf('/stream'))]
}

// Events and their listeners.

scenarios['the fields of the events'] = async ({ open, here }) => {
  const source = open(here(stream('retry: 1\nid: 1\nevent: x\ndata: 1\n\n')))
  const told = []
  const tell = (event) => {
    const { type, bubbles, cancelable, composed, eventPhase, returnValue } = event
    const { defaultPrevented, isTrusted, cancelBubble, target, currentTarget, srcElement } = event
    const flags = { bubbles, cancelable, composed, eventPhase, returnValue, defaultPrevented }
    told.push(type, event.constructor.name, JSON.stringify({ ...flags, cancelBubble }))
    told.push(`isTrusted: ${isTrusted}`)
    told.push([target, currentTarget, srcElement].map((value) => value === source).join())
    told.push(`path: ${event.composedPath().map((value) => value === source)}`)
    told.push(`data: ${'data' in event} ${Object.hasOwn(event, 'data')}`)
    told.push(`time: ${Math.abs(event.timeStamp - performance.now()) < 1000}`)
    if (event instanceof MessageEvent) {
      const { data, origin, lastEventId, source: from, ports, userActivation } = event
      told.push(JSON.stringify({ data, origin, lastEventId, from, ports, userActivation }))
      told.push(String(Object.isFrozen(ports)))
    }
  }
  for (const type of ['open', 'x', 'error']) source.addEventListener(type, tell)
  await until(() => told.includes('error'))
  source.close()
  return told
}

scenarios['the order of handlers and listeners'] = async ({ open, here }) => {
  const source = open(here(keep('data: 1\n\n')))
  const story = []
  const tell = (name) =>
    function (event) {
      story.push(`${name} ${event.type} ${this === source} ${event.currentTarget === source}`)
    }
  source.addEventListener('message', tell('before'))
  source.onmessage = tell('first')
  source.addEventListener('message', tell('after'))
  source.onmessage = tell('second')
  source.onopen = tell('open')
  source.addEventListener('open', tell('listener'))
  source.onopen = null
  source.onopen = tell('opened again')
  source.addEventListener('message', { handleEvent: tell('object') })
  source.addEventListener('message', tell('last'))
  await until(() => story.length >= 7)
  source.close()
  return story
}

scenarios['listeners added by the methods of EventTarget itself'] = async ({ open, here }) => {
  const source = open(here(keep('event: x\ndata: 1\n\ndata: 2\n\n')))
  const { addEventListener, removeEventListener } = EventTarget.prototype
  const story = []
  const tell = ({ type, data }) => story.push(`${type}:${data}`)
  for (const type of ['open', 'x', 'message']) addEventListener.call(source, type, tell)
  const never = () => story.push('never')
  source.addEventListener('x', never)
  removeEventListener.call(source, 'x', never)
  await until(() => story.length >= 3)
  source.close()
  const own = ['addEventListener', 'removeEventListener', 'dispatchEvent']
  return [...story, ...own.map((name) => String(source[name] === EventTarget.prototype[name]))]
}

scenarios['what a handler may be'] = async ({ open }) => {
  const source = open('/')
  source.close()
  const story = []
  for (const value of [
    () => {},
    {},
    [],
    { handleEvent() {} },
    null,
    1,
    'x',
    undefined,
    Symbol('x'),
  ]) {
    source.onmessage = () => {}
    source.onmessage = value
    story.push(`${source.onmessage === value} ${typeof source.onmessage}`)
    source.dispatchEvent(new Event('message'))
  }
  return story
}

scenarios['a handler that returns false'] = async ({ open }) => {
  const source = open('/')
  source.close()
  source.onerror = source.onmessage = () => false
  const event = (type) => new Event(type, { cancelable: true })
  return ['message', 'error'].map((type) => String(source.dispatchEvent(event(type))))
}

scenarios['listeners that throw'] = async ({ open, here }) => {
  const source = open(here(stream('retry: 1\ndata: 1\n\ndata: 2\n\n'), keep('data: 3\n\n')))
  const reported = []
  const report = (event) => {
    reported.push(`reported: ${event.message}`)
    event.preventDefault()
  }
  self.addEventListener('error', report)
  const fail = (event) => {
    throw new Error(`in ${event.type}`)
  }
  source.onopen = source.onmessage = source.onerror = fail
  const story = record(source)
  await until(() => story.length >= 6)
  self.removeEventListener('error', report)
  source.close()
  // Both classes are at it at once: each counts half.
  return [...story, ...new Set(reported)]
}

scenarios['a promise of each event in turn'] = async ({ open, here }) => {
  const source = open(here(keep('data: 1\n\ndata: 2\n\ndata: 3\n\n')))
  const story = record(source)
  for (let event = 1; event <= 3; event++) {
    const next = new Promise((resolve) => {
      source.addEventListener('message', resolve, { once: true })
      setTimeout(resolve, 1000)
    })
    story.push(`got ${(await next)?.data}`)
  }
  source.close()
  return story
}

scenarios['an async function that awaits more than once'] = async ({ open, here }) => {
  const source = open(here(keep('data: 1\n\ndata: 2\n\nevent: end\ndata\n\n')))
  const story = []
  source.onmessage = async ({ data }) => {
    story.push(`${data} before`)
    await null
    story.push(`${data} between`)
    await null
    await null
    story.push(`${data} after`)
  }
  await until(() => story.length >= 6)
  source.close()
  return story
}

// close().

scenarios['close at once'] = async ({ open, here }) => {
  const source = open(here(keep('data: 1\n\n')))
  source.close()
  const story = record(source)
  const before = source.readyState
  await sleep(QUIET)
  return [String(before), ...story]
}

scenarios['close before the answer'] = async ({ open, here }) => {
  const source = open(here({ silent: true }))
  const story = record(source)
  await sleep(100)
  source.close()
  story.push(`closed:${source.readyState}`)
  await sleep(QUIET)
  return story
}

each(
  [['open'], ['message'], ['error']],
  'close in a listener of %s',
  async ({ open, here }, type) => {
    const source = open(here(stream('retry: 1\ndata: 1\n\ndata: 2\n\n'), keep('data: 3\n\n')))
    const story = record(source)
    source.addEventListener(type, () => source.close())
    source.addEventListener(type, () => story.push(`after:${source.readyState}`))
    await until(() => story.some((line) => line.startsWith('after')))
    await sleep(QUIET)
    return story
  },
)

scenarios['close while waiting to reconnect'] = async ({ open, here }) => {
  const source = open(here(stream('retry: 200\n\n')))
  const story = record(source)
  await until(() => story.length >= 2)
  source.close()
  story.push(`closed:${source.readyState}`)
  await sleep(2 * QUIET)
  return story
}

scenarios['close of a closed source'] = async ({ open }) => {
  const source = open('about:blank')
  const story = record(source)
  await until(() => story.length > 0)
  story.push(String(source.close()), String(source.close()), String(source.readyState))
  await sleep(QUIET)
  return story
}

scenarios['events of its own after close'] = async ({ open }) => {
  const source = open('/')
  const story = record(source)
  source.close()
  source.dispatchEvent(new MessageEvent('message', { data: 'x', origin: 'o', lastEventId: 'i' }))
  source.dispatchEvent(new Event('open'))
  return story
}

/** What only a page has. */
/** @type {Record<string, (stage: Stage) => Promise<string[]>>} */
export const pageScenarios = {}

pageScenarios['a page with a base'] = async ({ open, page }) => {
  const base = Object.assign(document.createElement('base'), { href: '/elsewhere/' })
  document.head.append(base)
  try {
    return ['', 'a', '/a', '?b'].map((url) => {
      const source = open(url)
      source.close()
      return source.url.replace(page, '')
    })
  } finally {
    base.remove()
  }
}

pageScenarios['window.stop() while connecting'] = async ({ open, here }) => {
  const source = open(here({ silent: true }, keep('data: 1\n\n')))
  const story = record(source)
  await sleep(100)
  window.stop()
  await until(() => story.length > 0)
  source.close()
  return story
}

pageScenarios['window.stop() while open'] = async ({ open, here }) => {
  const source = open(here(keep('retry: 1\ndata: 1\n\n'), keep('data: 2\n\n')))
  const story = record(source)
  await until(() => story.length >= 2)
  window.stop()
  await sleep(QUIET)
  source.close()
  return story
}

/** @returns {Promise<HTMLIFrameElement>} a frame whose page has both classes too */
async function frame(query = '') {
  const frame = Object.assign(document.createElement('iframe'), { src: `/page${query}` })
  const loaded = new Promise((resolve) => frame.addEventListener('load', resolve))
  document.body.append(frame)
  await loaded
  return frame
}

pageScenarios['a class of another realm'] = async ({ classIn, here }) => {
  const element = await frame()
  const other = element.contentWindow
  const source = new (classIn(other))(here(keep('data: 1\n\n')))
  const events = []
  source.onopen = source.onmessage = (event) => events.push(event)
  await until(() => events.length === 2)
  source.close()
  element.remove()
  return [
    ...['Event', 'MessageEvent'].map((name, i) =>
      events[i].constructor === other[name] ? 'the source’s realm' : 'the listener’s realm',
    ),
  ]
}

pageScenarios['a frame that goes away'] = async ({ classIn, here }) => {
  const element = await frame()
  const source = new (classIn(element.contentWindow))(here(keep('retry: 1\ndata: 1\n\n')))
  const story = []
  for (const type of ['open', 'message', 'error']) {
    source.addEventListener(type, () => story.push(`${type}:${source.readyState}`))
  }
  await until(() => story.length >= 2)
  element.remove()
  await sleep(QUIET)
  return story
}

pageScenarios['a page whose policy forbids the URL'] = async ({ classIn, there }) => {
  const element = await frame("?policy=connect-src 'self'")
  const source = new (classIn(element.contentWindow))(there(keep('data: 1\n\n', any)))
  const story = []
  source.addEventListener('error', () => story.push(`error:${source.readyState}`))
  await until(() => story.length > 0)
  source.close()
  element.remove()
  return story
}

/** @returns {Promise<{story: string[], requests: string[]}>} what a class makes of a scenario */
export async function play(which, name, key, sites) {
  const EventSource = self.classes[which]
  const query = (answers) => new URLSearchParams({ key, answers: JSON.stringify(answers) })
  const stage = {
    EventSource,
    classIn: (realm) => realm.classes[which],
    page: location.href,
    open: (url, init) => new EventSource(url, init),
    here: (...answers) => `${sites.here}/stream?${query(answers)}`,
    there: (...answers) => `${sites.there}/stream?${query(answers)}`,
  }
  const story = await (scenarios[name] ?? pageScenarios[name])(stage)
  const requests = await (await fetch(`${sites.here}/log?key=${key}`)).json()
  const plain = (line) =>
    line.replaceAll(sites.here, 'here').replaceAll(sites.there, 'there').replaceAll(key, 'key')
  return { story: story.map(plain), requests: requests.map(plain) }
}

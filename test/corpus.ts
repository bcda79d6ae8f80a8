import type { ServerSentEvent } from '../src/parser/event'

/** What a wire text comes to. */
export interface Outcome {
  readonly events: readonly ServerSentEvent[]
  readonly lastEventId: string
  readonly reconnectionTime: number | undefined
}

/**
 * The events alone, or with what is left at the end of the stream where the events do not show it.
 * The last event ID is that of the last event unless a row says otherwise.
 */
type Expected =
  | readonly ServerSentEvent[]
  | { events?: readonly ServerSentEvent[]; lastEventId?: string; reconnectionTime?: number }

type Row = readonly [name: string, wire: string | Uint8Array, expected: Expected, spec: string]

export type CorpusRow = readonly [name: string, wire: Uint8Array, expected: Outcome, spec: string]

const HTML = 'https://html.spec.whatwg.org/multipage/server-sent-events.html'
/** The grammar: the byte order mark, lines and their ends. */
const PARSING = `${HTML}#parsing-an-event-stream`
/** Lines to fields; what counts at the end of the stream. */
const INTERPRETATION = `${HTML}#event-stream-interpretation`
/** Fields to buffers. */
const FIELD = `${HTML}#processField`
/** Buffers to events; the last event ID. */
const DISPATCH = `${HTML}#dispatchMessage`
const DECODE = 'https://encoding.spec.whatwg.org/#utf-8-decode'
const DECODER = 'https://encoding.spec.whatwg.org/#utf-8-decoder'

const encoder = new TextEncoder()

/** Text as UTF-8 and numbers as bytes. */
function bytes(...parts: (string | number)[]): Uint8Array {
  return Uint8Array.from(
    parts.flatMap((part) => (typeof part === 'number' ? part : [...encoder.encode(part)])),
  )
}

function event(data: string, type = 'message', lastEventId = ''): ServerSentEvent {
  return { type, data, lastEventId }
}

const message = (data: string, lastEventId = '') => event(data, 'message', lastEventId)

const lines: Row[] = [
  ['an empty stream has no events', '', [], PARSING],
  ['LF ends a line', 'data: a\n\n', [message('a')], PARSING],
  ['CR ends a line', 'data: a\r\r', [message('a')], PARSING],
  ['CRLF ends a line, once', 'data: a\r\n\r\n', [message('a')], PARSING],
  [
    'the three endings mix in one event',
    'data: a\ndata: b\rdata: c\r\ndata: d\n\n',
    [message('a\nb\nc\nd')],
    PARSING,
  ],
  [
    'a blank line may end otherwise than the line before it',
    'data: a\r\n\ndata: b\n\r\ndata: c\r\r\ndata: d\n\rdata: e\r\n\r',
    [message('a'), message('b'), message('c'), message('d'), message('e')],
    PARSING,
  ],
  [
    'CR and LF of one ending make no blank line',
    'data: a\r\ndata: b\r\n\r\n',
    [message('a\nb')],
    PARSING,
  ],
  [
    'an LF after the CR that dispatched belongs to that CR',
    'data: a\r\r\ndata: b\r\r\n',
    [message('a'), message('b')],
    PARSING,
  ],
  [
    'a CR at the end of the stream ends the last block',
    'data: a\ndata: b\n\r',
    [message('a\nb')],
    PARSING,
  ],
  [
    'blank lines dispatch nothing of their own',
    '\n\r\n\r\r\n\ndata: a\n\n\n\n\r\rdata: b\n\n\n',
    [message('a'), message('b')],
    DISPATCH,
  ],
  ['a stream of blank lines has no events', '\r\n\r\n\n\r\r', [], DISPATCH],
  [
    'a line of one space is not blank',
    'data: a\n \ndata: b\n\t\n\n',
    [message('a\nb')],
    INTERPRETATION,
  ],
  [
    'no other line separator of Unicode ends a line',
    'data: a\u2028b\u2029c\u0085d\u000be\u000cf\u001eg\n\n',
    [message('a\u2028b\u2029c\u0085d\u000be\u000cf\u001eg')],
    PARSING,
  ],
  ['an escaped line ending is text', 'data: a\\nb\\r\n\n', [message('a\\nb\\r')], PARSING],
  [
    'a line without a single line ending is never an event',
    'data: a data: b id: 1',
    [],
    INTERPRETATION,
  ],
]

const endOfStream: Row[] = [
  [
    'a last block without its blank line is dropped',
    'data: a\n\ndata: b\n',
    [message('a')],
    INTERPRETATION,
  ],
  [
    'a last line without its ending is dropped, with its block',
    'data: a\n\ndata: b\ndata: c',
    [message('a')],
    INTERPRETATION,
  ],
  [
    'a blank line whose CRLF is cut after the CR counts',
    'data: a\r\n\r\ndata: b\r\n\r',
    [message('a'), message('b')],
    PARSING,
  ],
  [
    'an id cut off before the blank line moves nothing',
    'id: 1\ndata: a\n\nid: 2\ndata: b\n',
    [message('a', '1')],
    INTERPRETATION,
  ],
  [
    'an id cut off inside its line moves nothing',
    'id: 1\ndata: a\n\nid: 2',
    [message('a', '1')],
    INTERPRETATION,
  ],
  [
    'an empty id cut off before the blank line resets nothing',
    'id: 1\ndata: a\n\nid\n',
    [message('a', '1')],
    INTERPRETATION,
  ],
  ['a retry counts as soon as its line ends', 'retry: 20\n', { reconnectionTime: 20 }, FIELD],
  [
    'a retry whose line does not end does not count',
    'retry: 20\n\nretry: 3',
    { reconnectionTime: 20 },
    INTERPRETATION,
  ],
]

const byteOrderMark: Row[] = [
  ['one BOM at the start is stripped', '\uFEFFdata: a\n\n', [message('a')], PARSING],
  [
    'of two BOMs the second belongs to the first field name',
    '\uFEFF\uFEFFdata: a\ndata: b\n\n',
    [message('b')],
    PARSING,
  ],
  ['a BOM before a blank line is stripped', '\uFEFF\n\ndata: a\n\n', [message('a')], PARSING],
  ['a BOM before a comment is stripped', '\uFEFF: hi\ndata: a\n\n', [message('a')], PARSING],
  ['a stream of one BOM has no events', '\uFEFF', [], PARSING],
  [
    'a BOM at the start of a later line belongs to its field name',
    'data: a\n\uFEFFdata: b\n\n\uFEFFdata: c\n\n',
    [message('a')],
    PARSING,
  ],
  [
    'a BOM after the first line ending is not at the start',
    '\n\uFEFFdata: a\ndata: b\n\n',
    [message('b')],
    PARSING,
  ],
  [
    'U+FEFF inside data stays, first and last',
    'data: \uFEFFa\uFEFF\ndata:\uFEFF\n\n',
    [message('\uFEFFa\uFEFF\n\uFEFF')],
    FIELD,
  ],
  [
    'U+FEFF inside an id and a type stays',
    'id: \uFEFF1\nevent: \uFEFFx\ndata: a\n\n',
    [event('a', '\uFEFFx', '\uFEFF1')],
    FIELD,
  ],
  [
    'the first two bytes of a BOM are broken UTF-8, not a BOM',
    bytes(0xef, 0xbb, 'data: a\ndata: b\n\n'),
    [message('b')],
    DECODE,
  ],
  [
    'the BOM of UTF-16 is no BOM',
    bytes(0xff, 0xfe, 'data: a\ndata: b\n\n'),
    [message('b')],
    DECODE,
  ],
  [
    // eventsource-parser 4 strips these three characters, taking them for undecoded bytes.
    'the characters U+00EF U+00BB U+00BF are no BOM',
    '\u00EF\u00BB\u00BFdata: a\ndata: b\n\n',
    [message('b')],
    PARSING,
  ],
]

const fields: Row[] = [
  ['a value needs no space before it', 'data:a\n\n', [message('a')], INTERPRETATION],
  [
    'one space before a value is dropped, and no more',
    'data:  a\ndata:   b\n\n',
    [message(' a\n  b')],
    INTERPRETATION,
  ],
  [
    'a tab before a value stays, and any other white space',
    'data:\ta\ndata: \tb\ndata:\u00A0c\ndata:\u3000d\n\n',
    [message('\ta\n\tb\n\u00A0c\n\u3000d')],
    INTERPRETATION,
  ],
  ['white space after a value stays', 'data: a \t \n\n', [message('a \t ')], INTERPRETATION],
  [
    'only the first colon separates',
    'data: a:b: c\ndata::\ndata: :d\n\n',
    [message('a:b: c\n:\n:d')],
    INTERPRETATION,
  ],
  ['a field line inside a value is text', 'data: data: id: 1\n\n', [message('data: id: 1')], FIELD],
  ['data without a colon is an empty line', 'data\n\n', [message('')], INTERPRETATION],
  ['data with nothing after the colon is an empty line', 'data:\n\n', [message('')], FIELD],
  ['data of one space is an empty line', 'data: \n\n', [message('')], INTERPRETATION],
  ['data of two spaces is a line of one', 'data:  \n\n', [message(' ')], INTERPRETATION],
  ['two empty data lines are one LF', 'data:\ndata:\n\n', [message('\n')], DISPATCH],
  ['two data lines without a colon are one LF', 'data\ndata\n\n', [message('\n')], DISPATCH],
  [
    'empty data lines count first, in the middle and last',
    'data\ndata: a\ndata:\ndata:b\ndata: \n\n',
    [message('\na\n\nb\n')],
    DISPATCH,
  ],
  [
    'a space in or around a field name makes another name',
    'data : a\n data: b\nd ata: c\ndata\t: d\n\ndata: e\n\n',
    [message('e')],
    FIELD,
  ],
  [
    'field names are compared by case',
    'Data: a\nDATA: b\nID: 1\nEvent: x\nRETRY: 5\ndata: c\n\n',
    [message('c')],
    FIELD,
  ],
  [
    'a field name must match as a whole',
    'd: a\ndat: b\ndatas: c\ndata-: d\ndatadata: e\ni: 1\nids: 2\neven: x\nevents: y\nretr: 1\nretry2: 2\ndata: f\n\n',
    [message('f')],
    FIELD,
  ],
  [
    'a cut field name without a colon is another name',
    'd\nda\ndat\ndatax\ni\ne\nr\n\ndata: a\n\n',
    [message('a')],
    FIELD,
  ],
  [
    'a field name with NUL in it is another name',
    'data\0: a\n\0data: b\nda\0ta\ndata: c\n\n',
    [message('c')],
    FIELD,
  ],
  [
    'a field name of look-alikes is another name',
    'd\u0430ta: a\n\uFF44\uFF41\uFF54\uFF41: b\ndata\uFF1A c\ndata: d\n\n',
    [message('d')],
    FIELD,
  ],
  ['unknown fields are ignored', 'foo: a\ndata: b\nbar\nx-y_z:\n\n', [message('b')], FIELD],
  [
    'names of object members are unknown fields',
    '__proto__: a\nconstructor: b\ntoString\nhasOwnProperty: c\nlength: 9\ndata: d\n\n',
    [message('d')],
    FIELD,
  ],
  ['a page of HTML has no events', '<!doctype html>\n\n<p>data: a</p>\n\n', [], FIELD],
  [
    'NUL stays in data and in a type',
    'event: a\0b\ndata: \0\ndata: c\0d\n\n',
    [event('\0\nc\0d', 'a\0b')],
    FIELD,
  ],
]

const comments: Row[] = [
  ['a comment before data is ignored', ': hi\ndata: a\n\n', [message('a')], INTERPRETATION],
  [
    'a comment between data lines is ignored',
    'data: a\n: hi\n:\ndata: b\n\n',
    [message('a\nb')],
    INTERPRETATION,
  ],
  ['a comment after data is ignored', 'data: a\n:hi\n\n', [message('a')], INTERPRETATION],
  ['a block of comments is no event', ': ping\n\n:\n\n:: :\n\n', [], INTERPRETATION],
  ['a field behind a colon is a comment', ':data: a\n:id: 1\n\n', [], INTERPRETATION],
  [
    'a comment does not end a block',
    'id: 1\nevent: x\n: hi\r\n:\rdata: a\n\n',
    [event('a', 'x', '1')],
    INTERPRETATION,
  ],
  [
    'a comment may hold anything but a line ending',
    bytes(':\0\t\u{1F600}\uFEFF', 0xff, 0xc0, '\ndata: a\n\n'),
    [message('a')],
    PARSING,
  ],
]

const types: Row[] = [
  ['event names the type', 'event: add\ndata: 1\n\n', [event('1', 'add')], FIELD],
  ['event may come after data', 'data: 1\nevent: add\n\n', [event('1', 'add')], FIELD],
  [
    'a type lasts for one event',
    'event: add\ndata: 1\n\ndata: 2\n\n',
    [event('1', 'add'), message('2')],
    DISPATCH,
  ],
  [
    'a type without data is dropped, not kept for the next event',
    'event: add\n\ndata: 1\n\n',
    [message('1')],
    DISPATCH,
  ],
  ['of several types the last counts', 'event: a\nevent: b\ndata: 1\n\n', [event('1', 'b')], FIELD],
  [
    'an empty type is message',
    'event\ndata: 1\n\nevent:\ndata: 2\n\nevent: \ndata: 3\n\n',
    [message('1'), message('2'), message('3')],
    DISPATCH,
  ],
  [
    'an empty type takes back the one before',
    'event: a\nevent:\ndata: 1\n\n',
    [message('1')],
    FIELD,
  ],
  [
    'a type keeps its white space but the one before it',
    'event:  a b \ndata: 1\n\n',
    [event('1', ' a b ')],
    INTERPRETATION,
  ],
  [
    'no type is special',
    'event: error\ndata: 1\n\nevent: open\ndata: 2\n\nevent: __proto__\ndata: 3\n\n',
    [event('1', 'error'), event('2', 'open'), event('3', '__proto__')],
    DISPATCH,
  ],
]

const ids: Row[] = [
  ['id is the last event ID of its event', 'id: 1\ndata: a\n\n', [message('a', '1')], DISPATCH],
  ['id may come after data', 'data: a\nid: 1\n\n', [message('a', '1')], DISPATCH],
  [
    'an event without an id carries the last one over',
    'id: 1\ndata: a\n\ndata: b\n\nid: 2\ndata: c\n\ndata: d\n\n',
    [message('a', '1'), message('b', '1'), message('c', '2'), message('d', '2')],
    DISPATCH,
  ],
  ['of several ids the last counts', 'id: 1\nid: 2\ndata: a\n\n', [message('a', '2')], FIELD],
  [
    'an empty id resets',
    'id: 1\ndata: a\n\nid:\ndata: b\n\ndata: c\n\n',
    [message('a', '1'), message('b'), message('c')],
    FIELD,
  ],
  [
    'an id without a colon resets',
    'id: 1\ndata: a\n\nid\ndata: b\n\n',
    [message('a', '1'), message('b')],
    INTERPRETATION,
  ],
  ['an empty id takes back the one before it', 'id: 1\nid:\ndata: a\n\n', [message('a')], FIELD],
  [
    'a block of an id alone moves the last event ID',
    'id: 1\n\ndata: a\n\nid: 2\n\n',
    { events: [message('a', '1')], lastEventId: '2' },
    DISPATCH,
  ],
  [
    'a block of an empty id alone resets',
    'id: 1\ndata: a\n\nid\n\n',
    { events: [message('a', '1')], lastEventId: '' },
    DISPATCH,
  ],
  [
    'a block of an id and a type moves the last event ID only',
    'id: 3\nevent: x\n: hi\n\n',
    { lastEventId: '3' },
    DISPATCH,
  ],
  ['an id with NUL is ignored', 'id: a\0b\ndata: c\n\n', [message('c')], FIELD],
  [
    'an id with NUL keeps the one before it',
    'id: 1\nid: \0\ndata: a\n\nid: 2\0\ndata: b\n\n',
    [message('a', '1'), message('b', '1')],
    FIELD,
  ],
  [
    'an id is text: 0, white space and signs stay',
    'id:0\ndata: a\n\nid:  -1 \ndata: b\n\n',
    [message('a', '0'), message('b', ' -1 ')],
    FIELD,
  ],
  [
    'an id may hold what a header cannot',
    'id: \u2026\u{1F600}\u0007\ndata: a\n\n',
    [message('a', '\u2026\u{1F600}\u0007')],
    FIELD,
  ],
]

const retries: Row[] = [
  ['retry sets the reconnection time', 'retry: 1500\n\n', { reconnectionTime: 1500 }, FIELD],
  ['retry needs no space before it', 'retry:20\r\r', { reconnectionTime: 20 }, INTERPRETATION],
  ['retry may be 0', 'retry: 0\n\n', { reconnectionTime: 0 }, FIELD],
  [
    'retry is in base ten, zeros before it or not',
    'retry: 0010\n',
    { reconnectionTime: 10 },
    FIELD,
  ],
  [
    'retry may be larger than an integer can be exactly',
    'retry: 9007199254740993\n',
    { reconnectionTime: 9007199254740992 },
    FIELD,
  ],
  [
    'retry may be larger than any number',
    `retry: ${'9'.repeat(400)}\n`,
    { reconnectionTime: Number.POSITIVE_INFINITY },
    FIELD,
  ],
  ['of several retries the last counts', 'retry: 1\n\nretry: 2\n', { reconnectionTime: 2 }, FIELD],
  [
    'retry is no part of an event',
    'data: a\nretry: 30\ndata: b\n\nretry: 40\nevent: x\n\n',
    { events: [message('a\nb')], reconnectionTime: 40 },
    DISPATCH,
  ],
  ...(
    [
      ['no colon', 'retry'],
      ['no value', 'retry:'],
      ['a space', 'retry: '],
      ['a second space before it', 'retry:  5'],
      ['a space after it', 'retry: 5 '],
      ['a space in it', 'retry: 1 000'],
      ['a comma in it', 'retry: 1,000'],
      ['a plus', 'retry: +5'],
      ['a minus', 'retry: -5'],
      ['a point', 'retry: 1.5'],
      ['an exponent', 'retry: 1e3'],
      ['a hexadecimal prefix', 'retry: 0x10'],
      ['a letter after it', 'retry: 1000x'],
      ['letters after it', 'retry: 10abc'],
      ['a tab before it', 'retry:\t5'],
      ['NUL after it', 'retry: 5\0'],
      ['full-width digits', 'retry: \uFF11\uFF12'],
      ['Arabic-Indic digits', 'retry: \u0663'],
      ['the word Infinity', 'retry: Infinity'],
    ] as const
  ).map(
    ([what, line]): Row => [
      `retry with ${what} is ignored`,
      `retry: 7\n${line}\ndata: a\n\n`,
      { events: [message('a')], reconnectionTime: 7 },
      FIELD,
    ],
  ),
]

const utf8: Row[] = [
  [
    'characters of two, three and four bytes come whole',
    'id: \u00E9\nevent: \u4F60\u597D\ndata: \u00E9\u4F60\u{1F600}\ndata: \u{1F468}\u200D\u{1F469}\n\n',
    [event('\u00E9\u4F60\u{1F600}\n\u{1F468}\u200D\u{1F469}', '\u4F60\u597D', '\u00E9')],
    DECODER,
  ],
  [
    'the first and last code points of each length come whole',
    'data: \x01\x7F\x80\u07FF\u0800\uD7FF\uE000\uFFFF\u{10000}\u{10FFFF}\n\n',
    [message('\x01\x7F\x80\u07FF\u0800\uD7FF\uE000\uFFFF\u{10000}\u{10FFFF}')],
    DECODER,
  ],
  [
    'a lone continuation byte is one replacement character',
    bytes('data: a', 0x80, 'b', 0xbf, 0xbf, '\n\n'),
    [message('a\uFFFDb\uFFFD\uFFFD')],
    DECODER,
  ],
  [
    'bytes of Latin-1 are replaced',
    bytes('data: caf', 0xe9, '\n\n'),
    [message('caf\uFFFD')],
    DECODER,
  ],
  [
    'an overlong sequence is a replacement character a byte',
    bytes('data: ', 0xc0, 0xaf, '.', 0xe0, 0x80, 0xaf, '.', 0xf0, 0x80, 0x80, 0xaf, '\n\n'),
    [message('\uFFFD\uFFFD.\uFFFD\uFFFD\uFFFD.\uFFFD\uFFFD\uFFFD\uFFFD')],
    DECODER,
  ],
  [
    'an overlong LF or CR ends no line',
    bytes('data: a', 0xc0, 0x8a, 0xc0, 0x8d, 'b\n\n'),
    [message('a\uFFFD\uFFFD\uFFFD\uFFFDb')],
    DECODER,
  ],
  [
    'a truncated sequence before ASCII is one replacement character',
    bytes('data: ', 0xe2, 0x82, 'x', 0xf0, 0x9f, 0x98, 'y', 0xc3, 'z\n\n'),
    [message('\uFFFDx\uFFFDy\uFFFDz')],
    DECODER,
  ],
  [
    'a truncated sequence swallows no line ending',
    bytes('data: a', 0xe2, 0x82, '\ndata: b', 0xf0, 0x9f, '\r\n\r\n'),
    [message('a\uFFFD\nb\uFFFD')],
    DECODER,
  ],
  [
    'a truncated sequence before another character is one replacement character',
    bytes('data: ', 0xe2, 0x82, '\u00E9', 0xf0, 0x9f, 0x98, '\u{1F600}\n\n'),
    [message('\uFFFD\u00E9\uFFFD\u{1F600}')],
    DECODER,
  ],
  [
    'surrogates encoded in UTF-8 are a replacement character a byte',
    bytes('data: ', 0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80, '\n\n'),
    [message('\uFFFD'.repeat(6))],
    DECODER,
  ],
  [
    'bytes beyond U+10FFFF are a replacement character each',
    bytes('data: ', 0xf4, 0x90, 0x80, 0x80, '.', 0xf5, '.', 0xfe, 0xff, '\n\n'),
    [message('\uFFFD\uFFFD\uFFFD\uFFFD.\uFFFD.\uFFFD\uFFFD')],
    DECODER,
  ],
  [
    'a broken byte in a field name makes another name',
    bytes('da', 0x80, 'ta: a\ndata', 0xc3, ': b\n', 0xe2, 'data: c\ndata: d\n\n'),
    [message('d')],
    DECODER,
  ],
  [
    'a broken id and a broken type keep their replacement characters',
    bytes('id: ', 0xff, '\nevent: x', 0xe2, '\ndata: a\n\n'),
    [event('a', 'x\uFFFD', '\uFFFD')],
    DECODER,
  ],
  [
    'a stream may end inside a character',
    bytes('data: a\n\ndata: ', 0xf0, 0x9f),
    [message('a')],
    INTERPRETATION,
  ],
]

/** Numbers from 0, one a line. */
const count = (to: number) => Array.from({ length: to }, (_, index) => `${index}`)

const sizes: Row[] = [
  [
    'a line of thousands of characters comes whole',
    `data: ${'\u00E9x\u{1F600}\u4F60'.repeat(600)}\n\n`,
    [message('\u00E9x\u{1F600}\u4F60'.repeat(600))],
    PARSING,
  ],
  [
    'hundreds of data lines are one event',
    `${count(300)
      .map((line) => `data: ${line}\n`)
      .join('')}\n`,
    [message(count(300).join('\n'))],
    DISPATCH,
  ],
  [
    'a hundred events come in order',
    count(100)
      .map((id) => `id: ${id}\r\ndata\r\n\r\n`)
      .join(''),
    count(100).map((id) => message('', id)),
    DISPATCH,
  ],
  [
    'a long comment, a long unknown field and a long line without a colon are ignored',
    `:${'x'.repeat(1200)}\n${'y'.repeat(1200)}: z\n${'data'.repeat(300)}\ndata: a\n\n`,
    [message('a')],
    INTERPRETATION,
  ],
]

const examples: Row[] = [
  [
    'a block of several lines is one event, as in the spec’s stock example',
    'data: YHOO\ndata: +2\ndata: 10\n\n',
    [message('YHOO\n+2\n10')],
    INTERPRETATION,
  ],
  [
    'comment, id, empty id and an unfinished block, as in the spec’s example of four blocks',
    ': test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n',
    [message('first event', '1'), message('second event')],
    INTERPRETATION,
  ],
  [
    'an empty event, one of an LF and an unfinished one, as in the spec’s example of data lines',
    'data\n\ndata\ndata\n\ndata:',
    [message(''), message('\n')],
    INTERPRETATION,
  ],
  [
    'with and without a space is the same, as in the spec’s last example',
    'data:test\n\ndata: test\n\n',
    [message('test'), message('test')],
    INTERPRETATION,
  ],
]

/**
 * Wire texts and what the spec makes of them. Each row holds for every way to cut its bytes into
 * chunks.
 */
export const corpus: readonly CorpusRow[] = [
  ...lines,
  ...endOfStream,
  ...byteOrderMark,
  ...fields,
  ...comments,
  ...types,
  ...ids,
  ...retries,
  ...utf8,
  ...sizes,
  ...examples,
].map(([name, wire, expected, spec]) => {
  const { events = [], ...rest } = 'length' in expected ? { events: expected } : expected
  const outcome: Outcome = {
    lastEventId: events.at(-1)?.lastEventId ?? '',
    reconnectionTime: undefined,
    ...rest,
    events,
  }
  return [name, typeof wire === 'string' ? encoder.encode(wire) : wire, outcome, spec]
})

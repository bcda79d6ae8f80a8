import { afterAll, describe, expect, test } from 'vitest'
import { EventSource } from '../../src'

/**
 * The interface as WebIDL lays it out.
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#the-eventsource-interface
 */
const source = new EventSource('http://localhost/', { fetch: () => new Promise(() => {}) })
afterAll(() => source.close())

const { prototype } = EventSource
const own = (target: object, name: PropertyKey) => Object.getOwnPropertyDescriptor(target, name)
const notSources = [undefined, null, 1, {}, prototype, new EventTarget(), Object.create(source)]

describe('the interface object', () => {
  test('is a class of the length 1, called EventSource, that extends EventTarget', () => {
    expect(own(EventSource, 'length')).toEqual({
      value: 1,
      writable: false,
      enumerable: false,
      configurable: true,
    })
    expect(own(EventSource, 'name')).toEqual({
      value: 'EventSource',
      writable: false,
      enumerable: false,
      configurable: true,
    })
    expect(Object.getPrototypeOf(EventSource)).toBe(EventTarget)
    expect(Object.getPrototypeOf(prototype)).toBe(EventTarget.prototype)
  })

  test('has a prototype that cannot be replaced and that knows its constructor', () => {
    expect(own(EventSource, 'prototype')).toEqual({
      value: prototype,
      writable: false,
      enumerable: false,
      configurable: false,
    })
    expect(own(prototype, 'constructor')).toEqual({
      value: EventSource,
      writable: true,
      enumerable: false,
      configurable: true,
    })
  })

  test('cannot be called without new', () => {
    const call = EventSource as unknown as (url: string) => void
    expect(() => call('http://localhost/')).toThrow(TypeError)
  })

  test('has instances that are EventTargets and say EventSource when asked for a string', () => {
    expect(own(prototype, Symbol.toStringTag)).toEqual({
      value: 'EventSource',
      writable: false,
      enumerable: false,
      configurable: true,
    })
    expect(String(source)).toBe('[object EventSource]')
    expect(source).toBeInstanceOf(EventTarget)
  })

  test('says that it takes a fetch, as the eventsource package does', () => {
    expect(own(EventSource, Symbol.for('eventsource.supports-fetch-override'))).toEqual({
      value: true,
      writable: false,
      enumerable: false,
      configurable: false,
    })
  })
})

describe.each([
  ['CONNECTING', 0],
  ['OPEN', 1],
  ['CLOSED', 2],
] as const)('the constant %s', (name, value) => {
  test.each([
    ['class', EventSource],
    ['prototype', prototype],
  ])(`is ${value} on the %s, enumerable and for good`, (_, target) => {
    expect(own(target, name)).toEqual({
      value,
      writable: false,
      enumerable: true,
      configurable: false,
    })
  })

  test('is inherited by instances, not copied to them', () => {
    expect(source[name]).toBe(value)
    expect(Object.hasOwn(source, name)).toBe(false)
  })
})

describe.each([
  ['url', 'string'],
  ['withCredentials', 'boolean'],
  ['readyState', 'number'],
  ['onopen', 'object'],
  ['onmessage', 'object'],
  ['onerror', 'object'],
] as const)('the attribute %s', (name, type) => {
  const { get, set, ...rest } = own(prototype, name) ?? {}
  const writable = name.startsWith('on')

  test('is an enumerable, configurable accessor on the prototype', () => {
    expect(rest).toEqual({ enumerable: true, configurable: true })
    expect([get?.name, get?.length]).toEqual([`get ${name}`, 0])
    expect([set?.name, set?.length]).toEqual(writable ? [`set ${name}`, 1] : [undefined, undefined])
    expect(Object.hasOwn(source, name)).toBe(false)
  })

  test(`is a ${type === 'object' ? 'null at first' : type}`, () => {
    expect(typeof source[name]).toBe(type)
    if (type === 'object') expect(source[name]).toBeNull()
  })

  test('belongs to sources only', () => {
    for (const value of notSources) {
      expect(() => get?.call(value)).toThrow(TypeError)
      if (set) expect(() => set.call(value, null)).toThrow(TypeError)
    }
  })

  if (!writable) {
    test('cannot be assigned', () => {
      const before = source[name]
      expect(() => {
        // @ts-expect-error: read-only
        source[name] = 'other'
      }).toThrow(TypeError)
      expect(source[name]).toBe(before)
    })
  }
})

describe('the operation close', () => {
  test('is an enumerable method of the length 0 on the prototype', () => {
    expect(own(prototype, 'close')).toEqual({
      value: prototype.close,
      writable: true,
      enumerable: true,
      configurable: true,
    })
    expect([prototype.close.name, prototype.close.length]).toEqual(['close', 0])
  })

  test('belongs to sources only', () => {
    for (const value of notSources) expect(() => prototype.close.call(value)).toThrow(TypeError)
  })
})

test('what this class adds is enumerable on the prototype too, and brand-checked', () => {
  const added = [
    'status',
    'retryAt',
    'failures',
    'lastEventId',
    'reconnectionTime',
    'reconnect',
    'fail',
    'send',
  ]
  expect(Object.keys(prototype)).toEqual(expect.arrayContaining(added))
  expect(Reflect.ownKeys(source)).toEqual(Reflect.ownKeys(new EventTarget()))
  for (const name of added.slice(0, 5)) {
    expect(() => own(prototype, name)?.get?.call({})).toThrow(TypeError)
  }
  expect(() => prototype.reconnect.call({})).toThrow(TypeError)
})

test('the methods of EventTarget are inherited, and keep their checks', () => {
  for (const name of ['addEventListener', 'removeEventListener', 'dispatchEvent'] as const) {
    expect(prototype[name]).toBe(EventTarget.prototype[name])
  }
  // @ts-expect-error: too few arguments
  expect(() => source.addEventListener()).toThrow(TypeError)
  // @ts-expect-error: too few arguments
  expect(() => source.addEventListener('message')).toThrow(TypeError)
})

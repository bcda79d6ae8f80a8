import { describe, expect, test } from 'vitest'
import { parseJson } from '../../src/parts/parse-json'
import { ownTheClock, storyOf } from '../support/play'
import { stream } from '../support/response'

ownTheClock()

describe('parseJson', () => {
  test.each<[string, unknown]>([
    ['{"a":1}', { a: 1 }],
    [' 5 ', 5],
    ['null', null],
    ['false', false],
    ['""', ''],
    ['', undefined],
    [' ', undefined],
    ['\n\t', undefined],
  ])('%j', (data, expected) => {
    expect(parseJson(data)).toEqual(expected)
  })

  test('leaves heartbeats out, and throws on what is no JSON', async () => {
    const wire = [
      'data: 1\n\n',
      'data:\n\n',
      'event: ping\ndata\n\n',
      'data: null\n\n',
      'data: x\n\n',
    ]
    expect(await storyOf([stream(wire)], { decode: parseJson })).toEqual([
      ...['fetch', 'message:1', 'message:null', 'throws:data'],
    ])
  })

  test('an event that it leaves out ends the stream as well', async () => {
    const wire = ['data: 1\n\n', 'event: done\ndata:\n\n']
    const options = { decode: parseJson, until: { type: 'done' }, retry: false } as const
    expect(await storyOf([stream(wire)], options)).toEqual(['fetch', 'message:1', 'done'])
  })
})

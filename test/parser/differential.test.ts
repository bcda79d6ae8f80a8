import { describe, expect, test } from 'vitest'
import { corpus } from '../corpus'
import { ours, theirs } from '../support/parsers'

/** A seeded generator (mulberry32): a run that differs can be had again. */
function random(seed: number) {
  let state = seed
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (bound: number) => Math.floor(next() * bound)
  const oneOf = <T>(choices: readonly T[]) => choices[below(choices.length)] as T
  return { below, oneOf }
}
type Random = ReturnType<typeof random>

const decode = (wire: Uint8Array) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(wire)
const seeds = corpus.map(([, wire]) => decode(wire)).filter((text) => text.length < 200)

const names = ['data', 'event', 'id', 'retry', '', 'dat', 'datax', 'Data', 'i', 'events', ' data']
const separators = [':', ': ', ':  ', '', ' :', ':\t', '::']
const values = [
  '',
  'a',
  '1',
  '0',
  '25',
  '1x',
  '\0',
  ' ',
  ':',
  'data: b',
  '\u2026',
  '\u{1F600}',
  '\uFEFF',
]
const endings = ['\n', '\r', '\r\n', '\n\n', '\r\r', '\r\n\r\n', '\n\r', '\r\n\n']
const bits = [...endings, ...names, ...separators, ...values]

/** A stream of lines that nearly all mean something. */
function generate({ below, oneOf }: Random): string {
  let text = oneOf(['', '', '', '\uFEFF', '\uFEFF\uFEFF', '\n'])
  const ending = below(2) && oneOf(endings)
  for (let lines = below(12); lines >= 0; lines--) {
    text += oneOf(names) + oneOf(separators) + oneOf(values) + (ending || oneOf(endings))
  }
  return text
}

/** A stream that holds for the most part, with pieces cut out, doubled, moved and put in. */
function mutate(text: string, { below, oneOf }: Random): string {
  let mutant = text
  for (let times = below(4); times >= 0; times--) {
    const start = below(mutant.length + 1)
    const end = start + below(Math.min(8, mutant.length - start) + 1)
    const piece = mutant.slice(start, end)
    mutant = oneOf([
      () => mutant.slice(0, start) + mutant.slice(end),
      () => mutant.slice(0, end) + piece + mutant.slice(end),
      () => piece + mutant,
      () => mutant.slice(0, start) + oneOf(bits) + mutant.slice(start),
      () => mutant.slice(0, start) + oneOf(bits) + mutant.slice(end),
      () => mutant.slice(0, start) + oneOf(seeds) + mutant.slice(end),
    ])()
  }
  return mutant
}

function split(text: string, { below }: Random): string[] {
  const chunks: string[] = []
  const longest = 1 + below(20)
  for (let start = 0; start < text.length; ) {
    const end = start + 1 + below(longest)
    chunks.push(text.slice(start, end))
    start = end
  }
  return chunks
}

/** The one known difference, which the corpus decides below. */
const startsLikeBytesOfBom = (text: string) => text.startsWith('\u00EF\u00BB\u00BF')

describe('beside eventsource-parser 4', () => {
  test('the corpus comes to the same but where the spec decides for us', () => {
    const differing = corpus.filter(([, wire, expected]) => {
      const { events, lastEventId, reconnectionTime } = theirs([decode(wire)])
      return (
        JSON.stringify(events) !== JSON.stringify(expected.events) ||
        lastEventId !== expected.lastEventId ||
        reconnectionTime !== expected.reconnectionTime
      )
    })
    expect(differing.map(([name]) => name)).toEqual([
      'the characters U+00EF U+00BB U+00BF are no BOM',
    ])
  })

  test.each([1, 2, 3, 4])('generated streams in any chunks come to the same (seed %i)', (seed) => {
    const dice = random(seed)
    for (let run = 0; run < 2500; run++) {
      const chunks = split(generate(dice), dice)
      expect({ chunks, ...ours(chunks) }).toEqual({ chunks, ...theirs(chunks) })
    }
  })

  test.each([5, 6, 7, 8])('mutated streams in any chunks come to the same (seed %i)', (seed) => {
    const dice = random(seed)
    for (let run = 0; run < 2500; run++) {
      const text = mutate(dice.below(2) ? dice.oneOf(seeds) : generate(dice), dice)
      if (startsLikeBytesOfBom(text)) continue
      const chunks = split(text, dice)
      expect({ chunks, ...ours(chunks) }).toEqual({ chunks, ...theirs(chunks) })
    }
  })
})

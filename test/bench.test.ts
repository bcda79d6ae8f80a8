import { describe, expect, test } from 'vitest'
import type { Figure } from './bench/figure'
import { differs } from './bench/parse/differs'
import { fixtures } from './bench/parse/fixtures'
import { eventsourceParser, fetchEventSource, parsers, tidings } from './bench/parse/parsers'
import { suite } from './bench/parse/suite'
import { markdown, merge, regressions } from './bench/report'
import { here, median, medians, takeTurns } from './bench/rounds'

const figure: Figure = {
  suite: 'parse',
  measure: 'tiny chunks',
  subject: 'Tidings',
  against: 'a peer 1.0.0',
  ratio: 2,
  reads: 'times as fast',
  goal: 2,
  absolute: { subject: '20 MB/s', against: '10 MB/s' },
}
const cost: Figure = { ...figure, reads: 'times the cost', goal: 1.3 }

describe('the parse benchmark', () => {
  test.each(fixtures)('our parser finds the events of: $name', async (fixture) => {
    const wrong = await differs(tidings, fixture.chunks(), fixture.expected())
    expect(wrong).toBeUndefined()
  })

  test.each(parsers)('$name finds the events of LLM deltas', async (parser) => {
    const [llm] = fixtures
    expect(await differs(parser, llm?.chunks() ?? [], llm?.expected() ?? [])).toBeUndefined()
  })

  test('a peer that makes events of comments is found out', async () => {
    const heartbeats = fixtures.find(({ key }) => key === 'heartbeats')
    const wrong = await differs(
      fetchEventSource,
      heartbeats?.chunks() ?? [],
      heartbeats?.expected() ?? [],
    )
    expect(wrong).toMatch(/^event 0 is {"type":"message","data":"","id":""}, not /)
  })

  test('a missing, a further, a changed event and a throw are found out', async () => {
    const chunks = [new TextEncoder().encode('data: one\n\ndata: two\n\n')]
    const event = (data: string) => ({ type: 'message', data, id: '' })
    const one = event('one')
    const two = event('two')
    expect(await differs(eventsourceParser, chunks, [one, two])).toBeUndefined()
    expect(await differs(eventsourceParser, chunks, [one, two, one])).toBe('2 events, not 3')
    expect(await differs(eventsourceParser, chunks, [one])).toBe('2 events, not 1')
    expect(await differs(eventsourceParser, chunks, [one, event('2')])).toBe(
      'event 1 is {"type":"message","data":"two","id":""}, not {"type":"message","data":"2","id":""}',
    )
    const thrower = {
      name: 'thrower',
      read() {
        throw new Error('full')
      },
    }
    expect(await differs(thrower, chunks, [one])).toBe('throws Error: full')
  })

  test('a fixture is measured in a process of its own, both outputs right', async () => {
    const [llm, ...rest] = await suite({ quick: true, node: process.execPath, only: ['llm'] })
    expect(rest).toEqual([])
    expect(llm).toMatchObject({ measure: 'LLM deltas, one per chunk', subject: 'Tidings' })
    expect(llm?.against).toMatch(/^eventsource-parser 4\./)
    expect(llm?.wrong).toBeUndefined()
    expect(llm?.ratio).toBeGreaterThan(0)
    expect(llm?.goal).toBeGreaterThan(1)
  })

  test('a fixture that does not exist is refused, with those that do', async () => {
    await expect(suite({ quick: true, node: process.execPath, only: ['x-ray'] })).rejects.toThrow(
      /^Expected some of llm, .*40b, .*, growth, got x-ray$/,
    )
  })
})

describe('taking turns', () => {
  test('the ratio is the cost of the second side over that of the first', async () => {
    const spin = (times: number) => () => {
      let sum = 0
      for (let left = times; left > 0; left--) sum = (sum + left * 31) | 0
      if (sum === 0.5) throw new Error('Expected the loop to be kept')
    }
    const rounds = { rounds: 5, warmUp: 2, least: 10 }
    const costs = await takeTurns(here(spin(20_000)), here(spin(200_000)), rounds)
    const { ratio } = medians(costs)
    expect(ratio).toBeGreaterThan(4)
    expect(ratio).toBeLessThan(25)
  })

  test('the median is the middle, or between the two in the middle', () => {
    expect(median([9, 1, 5])).toBe(5)
    expect(median([9, 1, 5, 6])).toBe(5.5)
  })
})

describe('a regression', () => {
  test.each<[string, Figure, string[]]>([
    ['a ratio at half its goal is none', { ...figure, ratio: 1 }, []],
    [
      'a ratio below half its goal is one',
      { ...figure, ratio: 0.99 },
      ['tiny chunks: Tidings against a peer 1.0.0: 0.99 times as fast, not at least 2'],
    ],
    ['a cost of twice its goal is none', { ...cost, ratio: 2.6 }, []],
    [
      'a cost of more than twice its goal is one',
      { ...cost, ratio: 2.61 },
      ['tiny chunks: Tidings against a peer 1.0.0: 2.61 times the cost, not at most 1.3'],
    ],
    ['no goal, no regression', { ...figure, ratio: 0.01, goal: undefined }, []],
    [
      'a wrong output of ours is one, however fast',
      { ...figure, ratio: 9, wrong: 'Tidings: 2 events, not 3' },
      ['tiny chunks: Tidings: 2 events, not 3'],
    ],
    [
      'a wrong output of a peer is none, and its ratio does not count',
      { ...figure, ratio: 0.01, wrong: 'a peer 1.0.0: 2 events, not 3' },
      [],
    ],
  ])('%s', (_, given, found) => {
    expect(regressions([given])).toEqual(found)
  })
})

describe('the report', () => {
  const section = (title: string, figures: Figure[]) => ({ title, ranOn: 'Today.', figures })

  test('says what missed its goal and what was wrong', () => {
    const wrong = 'a peer 1.0.0: 2 events, not 3'
    const text = markdown(section('Parse', [figure, { ...cost, ratio: 1.4 }, { ...figure, wrong }]))
    expect(text).toBe(
      `
### Parse

Today.

| measure | against | ratio | goal | ours | theirs |
| --- | --- | --- | --- | --- | --- |
| tiny chunks | a peer 1.0.0 | 2.00 times as fast | at least 2 | 20 MB/s | 10 MB/s |
| tiny chunks | a peer 1.0.0 | 1.40 times the cost | at most 1.3, missed | 20 MB/s | 10 MB/s |
| tiny chunks | a peer 1.0.0 | wrong | at least 2, missed | 20 MB/s | 10 MB/s |

Wrong:

- tiny chunks: a peer 1.0.0: 2 events, not 3
`.trim(),
    )
  })

  test('replaces the section of one title and leaves the rest of the page', () => {
    const empty = '# Page\n\n<!-- npm run bench -->\n\n<!-- end -->\n\nAfter.\n'
    const size = section('Size', [{ ...figure, measure: 'old size' }])
    const parse = section('Parse, Node 20', [{ ...figure, measure: 'old parse' }])
    const first = merge(empty, [size, parse])
    expect(titles(first)).toEqual(['Parse, Node 20', 'Size'])

    const newer = section('Parse, Node 26', [{ ...figure, measure: 'newer parse' }])
    const again = section('Parse, Node 20', [{ ...figure, measure: 'new parse' }])
    const second = merge(first, [again, newer])
    expect(titles(second)).toEqual(['Parse, Node 20', 'Parse, Node 26', 'Size'])
    expect(second).not.toContain('old parse')
    expect(second).toContain('old size')
    expect(second.startsWith('# Page\n\n<!-- npm run bench -->\n')).toBe(true)
    expect(second.endsWith('<!-- end -->\n\nAfter.\n')).toBe(true)
    expect(merge(second, [again, newer])).toBe(second)
  })

  test('refuses a page without the marks', () => {
    expect(() => merge('# Page\n', [])).toThrow('Expected the marks')
  })

  const titles = (page: string) => [...page.matchAll(/^### (.*)/gm)].map(([, title]) => title)
})

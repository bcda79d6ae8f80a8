import { describe, expect, test, vi } from 'vitest'
import { type Folder, freePort, newFolder, type Program } from './support/newcomer'
import { readPage, type Sample, sampleFile, samplesOf, withoutComments } from './support/samples'

// Programs that take seconds by themselves, and more on a busy machine.
vi.setConfig({ testTimeout: 60_000 })

const start = samplesOf('docs/start.md')
const tutorial = samplesOf('docs/tutorial.md')

interface Setup {
  readonly folder: Folder
  readonly server: Program
  /** What is printed when it has started. */
  readonly greeting: string
  /** The address that the page calls `http://localhost:3000`. */
  readonly url: string
  /** A sample or an output, for this test's port. */
  local(code: string): string
}

/** The page's server, started as the page says. */
async function setUp(samples: readonly Sample[]): Promise<Setup> {
  const port = await freePort()
  const local = (code: string) => code.replaceAll('3000', `${port}`)
  const folder = newFolder(['express'])
  folder.save('server.mjs', local(sampleFile(samples, 'server.mjs').code))
  const server = folder.run('server.mjs')
  const [greeting = ''] = await server.lines(1)
  return { folder, server, greeting, url: `http://localhost:${port}`, local }
}

/** Saves a sample and runs it. */
function follow({ folder, local }: Setup, sample: Sample): Program {
  folder.save('sample.mjs', local(sample.code))
  return folder.run('sample.mjs')
}

/** Times and numbers are as they come. */
const plain = (line: string) =>
  line.replace(/\d{4}-[\d:.T-]+Z/, 'TIME').replace(/(?<=event |one: )\d+/, 'N')

/** The lines that the page says a sample prints. */
function promised({ output }: Sample): string[] {
  if (output === undefined) throw new Error('Expected the page to say what the sample prints')
  return output.trimEnd().split('\n')
}

async function expectPromise(program: Program, sample: Sample): Promise<void> {
  const lines = promised(sample)
  const printed = await program.lines(lines.length)
  expect(printed.map(plain)).toEqual(lines.map(plain))
}

/** The samples of a section that are meant to be run by Node. */
function programs(section: string): Sample[] {
  const found = tutorial.filter(
    (sample) => sample.section === section && sample.code.includes("'tidings'"),
  )
  expect(found).not.toEqual([])
  return found
}

const post = (url: string) => fetch(url, { method: 'POST' })

describe('the start page', () => {
  test('the feed is read, and goes on after a restart of the server', async () => {
    const setup = await setUp(start)
    const { folder, server, greeting, local } = setup
    expect(greeting).toBe(local('Open http://localhost:3000'))
    const sample = sampleFile(start, 'read.mjs')
    const reader = follow(setup, sample)
    expect(await reader.lines(3)).toEqual(promised(sample))
    await server.stop()
    await folder.run('server.mjs').lines(1)
    const [after] = start.filter(({ code }) => code.startsWith('4 hello'))
    expect(await reader.lines(1)).toEqual([after?.code.trim()])
  })

  test('the answer of a language model is printed to its end, and the program ends', async () => {
    const setup = await setUp(start)
    const sample = sampleFile(start, 'ask.mjs')
    const program = follow(setup, sample)
    await expectPromise(program, sample)
    expect(await program.exitCode).toBe(0)
  })

  test('a failure says what the page says', async () => {
    const setup = await setUp(start)
    const sample = sampleFile(start, 'fail.mjs')
    const program = follow(setup, sample)
    await expectPromise(program, sample)
    expect(await program.exitCode).toBe(0)
  })
})

describe('the tutorial', () => {
  test.each(['Browser support', 'Creating an EventSource', 'Request headers', 'Closing'])(
    'every sample of "%s" prints what the page says',
    async (section) => {
      const setup = await setUp(tutorial)
      for (const sample of programs(section)) {
        const program = follow(setup, sample)
        await expectPromise(program, sample)
        // The last program of a section about closing ends by itself.
        if (section === 'Closing') expect(await program.exitCode).toBe(0)
        await program.stop()
      }
    },
  )

  test('the server greets as the page says', async () => {
    const { greeting, local } = await setUp(tutorial)
    expect([greeting]).toEqual(promised(sampleFile(tutorial, 'server.mjs')).map(local))
  })

  test('plain events and named ones reach their listeners, by the command of the page', async () => {
    const setup = await setUp(tutorial)
    const [sample] = programs('Listening to events') as [Sample]
    const lines = promised(sample)
    const program = follow(setup, sample)
    const before = await program.lines(2)
    const [curl] = tutorial.filter(({ code }) => code.startsWith('curl')) as [Sample]
    const [, url = '', body = ''] = /^curl (\S+) --json '(.+)'$/m.exec(curl.code) ?? []
    await fetch(setup.local(url), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    })
    const after = await program.lines(2)
    expect([...before, ...after].map(plain)).toEqual(lines.map(plain))
  })

  test('a line that is cut comes back, and no event is missing', async () => {
    const setup = await setUp(tutorial)
    const [sample] = programs('Errors and reconnecting') as [Sample]
    const lines = promised(sample)
    const program = follow(setup, sample)
    const before = await program.lines(3)
    await post(`${setup.url}/cut`)
    const printed = [...before, ...(await program.lines(lines.length - 3))]
    expect(printed.map(plain)).toEqual(lines.map(plain))
    const ids = printed.map((line) => /^event (\d+)$/.exec(line)?.[1]).filter(Boolean)
    expect(ids.map(Number)).toEqual(ids.map((_id, index) => Number(ids[0]) + index))
  })

  test('without a token the private stream is over, with the words of the page', async () => {
    const setup = await setUp(tutorial)
    const [sample] = programs('Errors and reconnecting') as [Sample]
    const program = follow(setup, { ...sample, code: sample.code.replace('/sse', '/private') })
    const [over] = tutorial.filter(({ code }) => code.startsWith('over:'))
    expect(await program.lines(1)).toEqual([over?.code.trim()])
    expect(await program.exitCode).toBe(0)
  })

  test('the options for retries and heartbeats open the stream', async () => {
    const setup = await setUp(tutorial)
    const [, sample] = programs('Errors and reconnecting') as [Sample, Sample]
    await expectPromise(follow(setup, sample), sample)
  })

  test('send() posts an event, and the server passes it on', async () => {
    const setup = await setUp(tutorial)
    const [sample] = programs('Custom events, both ways') as [Sample]
    const printed = await follow(setup, sample).lines(2)
    // The answer and the event come on two connections, in either order.
    expect(new Set(printed)).toEqual(new Set(promised(sample)))
  })
})

describe.each([
  ['docs/start.md', 'docs/zh/start.md'],
  ['docs/tutorial.md', 'docs/zh/tutorial.md'],
  ['README.md', 'README.zh.md'],
])('%s and its Chinese translation', (english, chinese) => {
  test('have the same samples, but for the comments', () => {
    const codes = (path: string) =>
      samplesOf(path).map(({ language, code }) => `${language}\n${withoutComments(code)}`)
    expect(codes(chinese)).toEqual(codes(english))
  })

  test('have the same sections', () => {
    const levels = (path: string) => {
      const prose = readPage(path).replaceAll(/^ *```[\s\S]*?^ *```$/gm, '')
      return [...prose.matchAll(/^(#+) /gm)].map(([, level]) => level)
    }
    expect(levels(chinese)).toEqual(levels(english))
  })

  test('break no line between two Chinese words, where a browser shows a space', () => {
    const prose = readPage(chinese).replaceAll(/^ *```[\s\S]*?^ *```$|^:::.*/gm, '')
    expect(prose.match(/[\p{Script=Han}，。：；、]\n *\p{Script=Han}.*/u)?.[0]).toBeUndefined()
  })
})

import { readFileSync } from 'node:fs'

/** A fenced block of a page. */
export interface Sample {
  /** The heading above it. */
  readonly section: string
  readonly language: string
  readonly code: string
  /** Named by a comment in its first line. */
  readonly file: string | undefined
  /** The `text` block below it: what the page says that it prints. */
  readonly output: string | undefined
}

export function readPage(path: string): string {
  return readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
}

/** The fenced blocks of a page, in order. */
export function samplesOf(path: string): Sample[] {
  const samples: Sample[] = []
  let section = ''
  const parts =
    /^#{1,3} (?<heading>.+)$|^(?<indent> *)```(?<language>\w+).*\n(?<code>[\s\S]*?)^ *```$/gm
  for (const { groups = {} } of readPage(path).matchAll(parts)) {
    const { heading, language = '', indent = '' } = groups
    if (heading !== undefined) {
      section = heading
      continue
    }
    const code = (groups.code ?? '').replaceAll(new RegExp(`^${indent}`, 'gm'), '')
    const [, file] = /^(?:\/\/|<!--) (\S+\.\w+)/.exec(code) ?? []
    samples.push({ section, language, code, file, output: undefined })
  }
  return samples.map((sample, index) => ({ ...sample, output: outputBelow(samples, index) }))
}

function outputBelow(samples: readonly Sample[], index: number): string | undefined {
  for (const below of samples.slice(index + 1)) {
    if (below.language === 'text') return below.code
    if (below.language !== 'sh') return undefined
  }
  return undefined
}

/** What a sample does, whatever its comments say. */
export function withoutComments(code: string): string {
  return code
    .replaceAll(/(^|\s)(\/\/|#) .*$/gm, '')
    .replaceAll(/<!--.*?-->/g, '')
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line !== '')
    .join('\n')
}

/** The one sample of a page that is to be saved under this name. */
export function sampleFile(samples: readonly Sample[], file: string): Sample {
  const [sample, ...others] = samples.filter((candidate) => candidate.file === file)
  if (!sample || others.length > 0) throw new Error(`Expected one sample ${file} on the page`)
  return sample
}

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { transformerTwoslash } from '@shikijs/vitepress-twoslash'
import ts from 'typescript'

// Without a slash at its end: with one, twoslash finds no errors.
const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/.$/, '')

/**
 * Type-checks every block marked `twoslash` against the library's source. An error in one ends the
 * build.
 */
export function checkSamples() {
  // The site is built twice, for the browser and for its first rendering.
  const checked = new Map()
  return transformerTwoslash({
    throws: true,
    typesCache: {
      read: (code, lang) => checked.get(`${lang} ${code}`),
      write: (code, data, lang) => void checked.set(`${lang} ${code}`, data),
    },
    twoslashOptions: {
      tsModule: { ...ts, createLanguageService },
      // Types are shown where a sample asks with `^?`: a popup for every word makes pages heavy.
      shouldGetHoverInfo: () => false,
      vfsRoot: root,
      extraFiles: {
        'ambient.d.ts': readFileSync(new URL('ambient.d.ts', import.meta.url), 'utf8'),
        'env.d.ts': readFileSync(`${root}/src/env.d.ts`, 'utf8'),
      },
      compilerOptions: {
        target: ts.ScriptTarget.ES2022,
        module: ts.ModuleKind.ESNext,
        moduleResolution: ts.ModuleResolutionKind.Bundler,
        // Every sample is a module: so `await` stands where it likes, and no names collide.
        moduleDetection: ts.ModuleDetectionKind.Force,
        lib: ['es2022', 'esnext.disposable', 'dom', 'dom.iterable', 'dom.asynciterable'].map(
          (name) => `lib.${name}.d.ts`,
        ),
        types: ['node'],
        jsx: ts.JsxEmit.ReactJSX,
        strict: true,
        skipLibCheck: true,
        paths: {
          tidings: [`${root}/src/index.ts`],
          'tidings/parser': [`${root}/src/parser/index.ts`],
          'tidings/fetch-event-source': [`${root}/src/faces/fetch-event-source.ts`],
          'tidings/auth': [`${root}/src/auth/bearer.ts`],
          'tidings/*': [`${root}/src/bindings/*.ts`],
        },
      },
    },
  })
}

/**
 * Twoslash writes each sample twice, unchanged, and so has it checked twice: versions that go by the
 * content halve the time.
 */
const createLanguageService: typeof ts.createLanguageService = (host, ...rest) => {
  const versions = new Map<string, { known: string; text: string | undefined; version: string }>()
  const getScriptVersion = (file: string) => {
    const known = host.getScriptVersion(file)
    const last = versions.get(file)
    if (last?.known === known) return last.version
    const snapshot = host.getScriptSnapshot(file)
    const text = snapshot?.getText(0, snapshot.getLength())
    const version = last && last.text === text ? last.version : known
    versions.set(file, { known, text, version })
    return version
  }
  return ts.createLanguageService({ ...host, getScriptVersion }, ...rest)
}

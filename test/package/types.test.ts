import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import newest from 'typescript'
import { beforeAll, describe, expect, test } from 'vitest'
import { consumer, installLocked, installPackage, root, temporaryFolder } from './packed'

const source = consumer('typescript')
installLocked(source)
const require = createRequire(import.meta.url)
const installed = (name: string) => join(source, 'node_modules', name)
/** The oldest that is supported, and the one that this library is built by. */
const compilers: (typeof newest)[] = [require(installed('typescript-5.4')), newest]

const files = ['main', 'parser', 'fetch-event-source', 'auth', 'vue', 'react']
const folder = temporaryFolder()

beforeAll(() => {
  installPackage(folder)
  for (const name of ['vue', 'react', '@types']) {
    symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name), 'junction')
  }
  for (const type of ['module', 'commonjs']) {
    mkdirSync(join(folder, type))
    writeFileSync(join(folder, type, 'package.json'), JSON.stringify({ type }))
    for (const name of files) {
      writeFileSync(join(folder, type, `${name}.ts`), readFileSync(join(source, `${name}.ts`)))
    }
  }
})

const resolutions = [
  { module: 'ESNext', moduleResolution: 'Bundler', type: 'module' },
  { module: 'Node16', moduleResolution: 'Node16', type: 'module' },
  { module: 'Node16', moduleResolution: 'Node16', type: 'commonjs' },
  { module: 'CommonJS', moduleResolution: 'Node10', type: 'commonjs' },
] as const

const globals = [
  { lib: ['es2022'], types: [] },
  { lib: ['es2022', 'dom', 'dom.iterable'], types: [] },
  { lib: ['es2022'], types: ['node'] },
  { lib: ['es2022', 'dom', 'dom.iterable'], types: ['node'] },
]

const strictest = {
  target: 'ES2022',
  jsx: 'react-jsx',
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noPropertyAccessFromIndexSignature: true,
  skipLibCheck: false,
  noEmit: true,
}

describe.each(compilers)('TypeScript $version', (ts) => {
  // Files of the libraries are the same in many of the programs.
  const parsed = new Map<string, newest.SourceFile | undefined>()

  describe.each(resolutions)('$moduleResolution, $type', ({ module, moduleResolution, type }) => {
    test.each(globals)('lib $lib, types $types', ({ lib, types }) => {
      const { options } = ts.convertCompilerOptionsFromJson(
        { ...strictest, module, moduleResolution, lib, types, typeRoots: ['node_modules/@types'] },
        folder,
      )
      expect(errors(type, options)).toEqual([])
    })
  })

  test('options that may be undefined may be so without exactOptionalPropertyTypes, too', () => {
    const { options } = ts.convertCompilerOptionsFromJson(
      { ...strictest, exactOptionalPropertyTypes: false, module: 'ESNext', types: [] },
      folder,
    )
    options.moduleResolution = ts.ModuleResolutionKind.Bundler
    expect(errors('module', options)).toEqual([])
  })

  function errors(type: string, options: newest.CompilerOptions): string[] {
    const host = ts.createCompilerHost(options)
    const { getSourceFile } = host
    host.getSourceFile = (name, version, ...rest) => {
      const key = `${name} ${JSON.stringify(version)}`
      if (!parsed.has(key)) parsed.set(key, getSourceFile(name, version, ...rest))
      return parsed.get(key)
    }
    const paths = files.map((name) => join(folder, type, `${name}.ts`))
    const program = ts.createProgram(paths, options, host)
    // Not those of vue, react and TypeScript: what they need is theirs to say.
    const own = program.getSourceFiles().filter(({ fileName }) => fileName.startsWith(folder))
    const found = [
      ...program.getOptionsDiagnostics(),
      ...program.getGlobalDiagnostics(),
      ...own.flatMap((file) => program.getSyntacticDiagnostics(file)),
      ...own.flatMap((file) => program.getSemanticDiagnostics(file)),
    ]
    return found.map(({ file, start = 0, messageText }) => {
      const line = file && file.getLineAndCharacterOfPosition(start).line + 1
      const message = ts.flattenDiagnosticMessageText(messageText, ' ')
      return `${file?.fileName.slice(folder.length + 1)}:${line} ${message}`
    })
  }
})

// It has no API.
describe('TypeScript 7.0', () => {
  const compiler = join(installed('typescript-7.0'), 'bin/tsc')
  const others = /^(\.\.\/)*\S*node_modules\/(?!tidings\/)/

  describe.each(resolutions.slice(0, 3))('$moduleResolution, $type', (resolution) => {
    test.each(globals)('lib $lib, types $types', ({ lib, types }) => {
      const { type, ...modules } = resolution
      const path = join(folder, type, 'tsconfig.json')
      const compilerOptions = {
        ...strictest,
        ...modules,
        lib,
        types,
        typeRoots: ['../node_modules/@types'],
      }
      writeFileSync(path, JSON.stringify({ compilerOptions, include: ['*.ts'] }))
      const args = [compiler, '-p', path, '--pretty', 'false']
      const { stdout, stderr } = spawnSync(process.execPath, args, {
        cwd: folder,
        encoding: 'utf8',
      })
      expect(stderr).toBe('')
      const lines = stdout.split('\n').filter((line) => line !== '' && !line.startsWith(' '))
      expect(lines.filter((line) => !others.test(line))).toEqual([])
    })
  })
})

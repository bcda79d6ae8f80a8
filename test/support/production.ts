import { join } from 'node:path'
import { build } from 'esbuild'

const FACES = `
export * from './index'
export { fetchEventSource } from './faces/fetch-event-source'
export { bearer } from './auth/bearer'
export { readEvents } from './parser/read'
export { EventStreamParser } from './parser/parser'
`

type Faces = typeof import('../../src/index') &
  Pick<typeof import('../../src/faces/fetch-event-source'), 'fetchEventSource'> &
  Pick<typeof import('../../src/auth/bearer'), 'bearer'> &
  Pick<typeof import('../../src/parser/read'), 'readEvents'> &
  Pick<typeof import('../../src/parser/parser'), 'EventStreamParser'>

/** What the production build does, beside the files that anything is left of in it. */
export async function production(): Promise<{ faces: Faces; files: string[]; text: string }> {
  const { outputFiles, metafile } = await build({
    stdin: { contents: FACES, resolveDir: join(import.meta.dirname, '../../src'), loader: 'ts' },
    bundle: true,
    write: false,
    metafile: true,
    format: 'esm',
    target: 'es2022',
    minifySyntax: true,
    define: { __DEV__: 'false' },
    mangleProps: /^_[a-z]/,
  })
  const text = outputFiles[0]?.text ?? ''
  const inputs = Object.values(metafile.outputs)[0]?.inputs ?? {}
  const files = Object.keys(inputs).filter((file) => inputs[file]?.bytesInOutput)
  const address = `data:text/javascript;base64,${Buffer.from(text).toString('base64')}`
  return { faces: await import(/* @vite-ignore */ address), files, text }
}

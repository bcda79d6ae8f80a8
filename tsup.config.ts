import { defineConfig, type Options } from 'tsup'

const shared: Options = {
  target: 'es2022',
  platform: 'neutral',
  sourcemap: true,
  dts: {
    entry: ['index', 'fetch-event-source', 'auth', 'vue', 'react'].map((name) => `src/${name}.ts`),
  },
}

export default defineConfig([
  {
    ...shared,
    format: 'esm',
    entry: {
      index: 'src/index.ts',
      'fetch-event-source': 'src/fetch-event-source.ts',
      auth: 'src/auth.ts',
      vue: 'src/vue.ts',
      react: 'src/react.ts',
      // Files of their own, so that a bundler drops the face that an app does not import.
      events: 'src/events.ts',
      'event-source': 'src/event-source.ts',
      decoder: 'src/decoder.ts',
    },
  },
  {
    ...shared,
    format: 'cjs',
    splitting: false,
    entry: {
      index: 'src/index.ts',
      'fetch-event-source': 'src/fetch-event-source.ts',
      auth: 'src/auth.ts',
      vue: 'src/vue.ts',
      react: 'src/react.ts',
      errors: 'src/errors.ts',
    },
    esbuildPlugins: [
      {
        // One SseError for every entry, so that `instanceof` holds between them.
        name: 'shared-errors',
        setup: (build) => {
          build.onResolve({ filter: /^\.\/errors$/ }, () => ({
            path: './errors.cjs',
            external: true,
          }))
        },
      },
    ],
  },
])

import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    // The notes of the development build would bury the report.
    silent: 'passed-only',
    reporters: process.env.VITEST_REPORT ? ['default', 'json'] : ['default'],
    outputFile: { json: process.env.VITEST_REPORT ?? '' },
    coverage: {
      provider: 'v8',
      include: ['src/**'],
      reporter: ['text', 'json-summary'],
      thresholds: {
        'src/{parser/parser,session/retry,session/session}.ts': { lines: 100, branches: 100 },
      },
    },
    projects: [
      {
        define: { __DEV__: 'true' },
        test: {
          name: 'node',
          include: ['test/**/*.test.ts'],
          exclude: ['**/node_modules/**', 'test/browser/**', 'test/package/**'],
          testTimeout: 15_000,
          typecheck: {
            enabled: true,
            include: ['test/**/*.test-d.ts'],
            tsconfig: 'tsconfig.test.json',
          },
        },
      },
      {
        // The suites that prove the promises, on what the production build does.
        define: { __DEV__: 'false' },
        test: {
          name: 'production',
          include: ['test/faults/**/*.test.ts', 'test/**/{event-source,corpus,quiet}*.test.ts'],
          exclude: ['**/node_modules/**', 'test/browser/**'],
          testTimeout: 15_000,
        },
      },
      {
        test: {
          name: 'browser',
          include: ['test/browser/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          name: 'package',
          include: ['test/package/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 300_000,
          // After the others, whose clocks it would disturb: it builds apps, on all cores.
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})

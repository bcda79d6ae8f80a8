import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    reporters: process.env.VITEST_REPORT ? ['default', 'json'] : ['default'],
    outputFile: { json: process.env.VITEST_REPORT ?? '' },
    coverage: {
      provider: 'v8',
      include: ['src/**'],
      reporter: ['text', 'json-summary'],
      thresholds: {
        'src/{parser,retry,session}.ts': { lines: 100, branches: 100 },
      },
    },
    projects: [
      {
        test: {
          name: 'node',
          include: ['test/**/*.test.ts'],
          exclude: ['test/browser/**'],
          testTimeout: 15_000,
          typecheck: {
            enabled: true,
            include: ['test/**/*.test-d.ts'],
            tsconfig: 'tsconfig.test.json',
          },
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
    ],
  },
})

// npm run fuzz -- [seconds] [seed]: tries cases until the time is over or one fails.
import { fileURLToPath } from 'node:url'
import { runnerImport } from 'vite'

const [seconds = 30, seed = Date.now() % 2 ** 31] = process.argv.slice(2).map(Number)
const { module } = await runnerImport(fileURLToPath(new URL('fuzz.ts', import.meta.url)), {
  configFile: false,
  define: { __DEV__: 'true' },
})
console.log(`Fuzzing for ${seconds} s, seed ${seed}`)
const { failures, runs } = await module.fuzz(seconds, seed)
console.log(
  Object.entries(runs)
    .map(([name, count]) => `${name}: ${count} cases`)
    .join(', '),
)
for (const { name, seed, message, report } of failures) {
  console.log(`\n${name} failed with seed ${seed}:\n${message}\n\nKeep it:\n${report}`)
}
// An unhandled rejection has ended the process by now.
process.exitCode = failures.length > 0 ? 1 : 0

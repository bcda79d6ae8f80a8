// node webpack.js <mode> <target> <output file>
import { basename, dirname } from 'node:path'
import webpack from 'webpack'

const [mode, target, output] = process.argv.slice(2)
const context = import.meta.dirname
webpack(
  {
    context,
    mode,
    target,
    entry: './app/main.js',
    output: { path: dirname(output), filename: basename(output) },
  },
  (error, stats) => {
    if (!error && !stats.hasErrors()) return
    console.error(error ?? stats.toString())
    process.exitCode = 1
  },
)

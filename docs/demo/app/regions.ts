/**
 * The lines of a source file between `#region name` and `#endregion`. The panels show the code that
 * runs, not a copy of it.
 */
export function region(source: string, name: string): string {
  const blocks = source.matchAll(new RegExp(`// #region ${name}\\n([^]*?) *// #endregion`, 'g'))
  return Array.from(blocks, ([, block = '']) => dedent(block)).join('\n')
}

function dedent(block: string): string {
  const indent = /^ */.exec(block)?.[0].length ?? 0
  return block
    .split('\n')
    .map((line) => line.slice(indent))
    .join('\n')
    .trimEnd()
}

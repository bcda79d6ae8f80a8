/**
 * The lines of a source file between `#region name` and `#endregion name`. The panels show the code
 * that runs, not a copy of it.
 */
export function region(source: string, name: string): string {
  const found = new RegExp(`#region ${name}\\n(( *).*?)\\n *// #endregion ${name}\\n`, 's')
  const [, block, indent] = found.exec(source) ?? []
  if (!block) throw new Error(`Expected a region "${name}", got none`)
  return block.replaceAll(new RegExp(`^${indent}`, 'gm'), '')
}

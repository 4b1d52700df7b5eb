/** Text in columns. Pure. */

/** Each column as wide as its widest text. @param right indexes of the columns of numbers */
export const table = (rows: readonly (readonly string[])[], right: ReadonlySet<number>): string => {
  const widths = (rows[0] ?? []).map((_, index) => Math.max(...rows.map((row) => (row[index] ?? '').length)))
  return rows
    .map((row) =>
      row
        .map((text, index) => {
          const width = widths[index] ?? 0
          return right.has(index) ? text.padStart(width) : text.padEnd(width)
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** `1.5 GB`, `512 MB`. */
export const bytesText = (bytes: number): string => {
  const gb = bytes / 1024 ** 3
  if (gb >= 10) return `${Math.round(gb)} GB`
  return gb >= 1 ? `${gb.toFixed(1)} GB` : `${Math.round(bytes / 1024 ** 2)} MB`
}

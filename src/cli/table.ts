// Owns the look of rows: aligned under a header on a terminal, tab-separated without one in a pipe, so that cut and awk work.

export interface Table {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly (string | number | bigint)[])[]
}

export interface TableStyle {
  readonly isTerminal: boolean
  readonly hasColor: boolean
}

const BOLD = '\u001b[1m'
const PLAIN = '\u001b[0m'
const GAP = '  '

export function formatTable(table: Table, style: TableStyle): string {
  const rows = table.rows.map(row => row.map(String))
  if (!style.isTerminal) return rows.map(row => `${row.join('\t')}\n`).join('')
  const widths = table.columns.map((column, index) =>
    Math.max(column.length, ...rows.map(row => row[index]?.length ?? 0)),
  )
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join(GAP)
      .trimEnd()
  const header = line(table.columns)
  return [style.hasColor ? `${BOLD}${header}${PLAIN}` : header, ...rows.map(line), ''].join('\n')
}

import { oneLine } from './command.ts';

/**
 * Lines of a table whose columns are as wide as their longest cell; columns that are empty in every row are left out.
 * @param head the columns' titles; every row has as many cells.
 */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const clean = rows.map((row) => row.map(oneLine));
  const columns = head.flatMap((title, index) => {
    const cells = clean.map((row) => row[index] ?? '');
    if (cells.length > 0 && cells.every((cell) => cell === '')) return [];
    const width = Math.max(title.length, ...cells.map((cell) => cell.length));
    return [[title, ...cells].map((cell) => cell.padEnd(width))];
  });
  const lines = [head, ...clean].map((_row, line) =>
    columns
      .map((column) => column[line])
      .join('  ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n`;
}

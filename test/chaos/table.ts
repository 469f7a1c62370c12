import type { Cell, Played } from './matrix.ts';

/** Seconds from the blow to the end, by place and fault. */
export class Table {
  readonly #cells = new Map<string, Map<string, number>>();
  readonly #faults = new Set<string>();
  readonly #ends = new Map<Played['end'], number>();

  add({ subject, place, fault }: Cell, { seconds, end }: Played): void {
    const row = `${subject}: ${place}`;
    this.#faults.add(fault);
    this.#ends.set(end, (this.#ends.get(end) ?? 0) + 1);
    this.#cells.set(row, (this.#cells.get(row) ?? new Map()).set(fault, seconds));
  }

  toString(): string {
    const faults = [...this.#faults];
    const rows = [...this.#cells].map(
      ([row, cells]) =>
        `${faults.map((fault) => (cells.get(fault)?.toFixed(1) ?? '').padStart(5)).join('')}  ${row}`,
    );
    const all = [...this.#cells.values()].flatMap((cells) => [...cells.values()]).toSorted((a, b) => a - b);
    const legend = faults.map((fault, index) => `${' '.repeat(5 * index + 4)}${index + 1} ${fault}`);
    return [
      'Seconds from the fault to the end of the operation:',
      ...legend,
      ...rows,
      `${all.length} cells: ${[...this.#ends].map(([end, count]) => `${count} ${end}`).join(', ')}; median ${all[Math.floor(all.length / 2)]?.toFixed(1)} s, worst ${all.at(-1)?.toFixed(1)} s`,
    ].join('\n');
  }
}

import type { Row } from '../table.ts';
export async function spawns(): Promise<Row[]> {
  return [];
}

import { isDuplicateKey } from '#queues/database.ts';
import { duplicate } from './errors.ts';

interface Row {
  readonly name: string;
  /** Where the name is the only one of its kind; absent where it is everywhere. */
  readonly domain_id?: string;
}

/** Writes what has a name. @throws ApiError 409 when another has it */
export async function stored(what: string, row: Row, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isDuplicateKey(error)) throw error;
    const where = row.domain_id === undefined ? '' : ` at domain ID ${row.domain_id}`;
    throw duplicate(what, `name ${row.name}${where}`);
  }
}

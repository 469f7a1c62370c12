import { type ApiError, conflict } from '#api/http/errors.ts';
import { isDuplicateKey } from '#queues/database.ts';
import { duplicate } from './errors.ts';

interface Row {
  readonly id?: string;
  readonly name: string;
  /** Where the name is the only one of its kind; Keystone says so of what is new, if it is no role. */
  readonly domain_id?: string;
}

/** Writes what has a name. @throws ApiError 409 when another has it */
export async function stored(what: string, row: Row, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw isDuplicateKey(error) ? taken(what, row) : error;
  }
}

function taken(what: string, { id, name, domain_id: domain }: Row): ApiError {
  const twice = 'Conflict occurred attempting to store project - it is not permitted to have two projects';
  switch (what) {
    case 'project':
      return conflict(
        `${twice} with either the same name or same id in the same domain: name is ${name}, project id ${id}.`,
      );
    case 'domain':
      return conflict(`${twice} acting as domains with the same name: ${name}.`);
    default:
      return duplicate(what, `name ${name}${domain === undefined ? '' : ` at domain ID ${domain}`}`);
  }
}

import type { Kysely } from 'kysely';
import type { Clock } from '#schema/clock.ts';
import type { ProjectId } from '#schema/ids.ts';
import type { Tables } from '#schema/tables.ts';
import { ENCRYPTED, type NamedType } from './rows.ts';

/** What the installation's own is called, as in Cinder; a migration has made it. */
const INSTALLATION_DEFAULT = '__DEFAULT__';

/** How long an answer is good for: a volume of no type must not cost a query each. */
const FRESH_MS = 1_000;

interface Known {
  /** By project; of all others. */
  readonly projects: ReadonlyMap<ProjectId, NamedType>;
  readonly installation: NamedType | undefined;
}

/** The types of volumes for which none is asked: a project's own, or else the installation's. */
export class DefaultTypes {
  readonly #db: Kysely<Tables>;
  readonly #clock: Clock;
  #known: Promise<Known> | undefined;
  #until = 0;

  constructor(db: Kysely<Tables>, clock: Clock) {
    this.#db = db;
    this.#clock = clock;
  }

  /** A second late at most when another process has changed it. */
  async of(project: ProjectId): Promise<NamedType | undefined> {
    const { projects, installation } = await this.#read();
    return projects.get(project) ?? installation;
  }

  async ofInstallation(): Promise<NamedType | undefined> {
    return (await this.#read()).installation;
  }

  /** To be called after a change. */
  forget(): void {
    this.#until = 0;
  }

  #read(): Promise<Known> {
    const now = this.#clock.now();
    if (this.#known !== undefined && now < this.#until) return this.#known;
    const reading = this.#load();
    this.#known = reading;
    this.#until = now + FRESH_MS;
    reading.catch(() => this.forget());
    return reading;
  }

  async #load(): Promise<Known> {
    const rows = await this.#db
      .selectFrom('volume_types')
      .leftJoin('default_volume_types', 'default_volume_types.volume_type_id', 'volume_types.id')
      .selectAll('volume_types')
      .select(['default_volume_types.project_id', ENCRYPTED])
      .where((eb) =>
        eb.or([
          eb('default_volume_types.project_id', 'is not', null),
          eb('volume_types.name', '=', INSTALLATION_DEFAULT),
        ]),
      )
      .execute();
    const projects = new Map<ProjectId, NamedType>();
    for (const row of rows) if (row.project_id !== null) projects.set(row.project_id, row);
    return { projects, installation: rows.find(({ name }) => name === INSTALLATION_DEFAULT) };
  }
}

import type { App } from '#api/http/context.ts';
import { ApiError } from '#api/http/errors.ts';
import type { BackupDetails } from '#queues/conductor/storage-reports.ts';
import type { HostName } from '#schema/ids.ts';
import { isUp } from '../services/handlers.ts';

/** A storage host that makes backups. */
export interface BackupHost {
  readonly agent: HostName;
  readonly store: string;
  readonly zone: string;
}

interface Wanted {
  /** Only this host will do: a volume lies there. */
  readonly agent?: string;
  /** It must have this store. */
  readonly store?: string;
  /** If there is a choice. */
  readonly preferred?: string | null;
}

/** A host that is up and not disabled; undefined when there is none. */
export async function findBackupHost(
  { db, clock }: App,
  { agent, store, preferred }: Wanted,
): Promise<BackupHost | undefined> {
  const rows = await db
    .selectFrom('services')
    .select(['agent', 'details', 'last_seen_at', 'availability_zone'])
    .where('binary', '=', 'blockyard-backup')
    .where('disabled', '=', 0)
    .orderBy('id')
    .execute();
  const hosts = rows
    .filter((row) => isUp(row, clock))
    .map((row) => ({
      agent: row.agent,
      zone: row.availability_zone,
      ...(JSON.parse(row.details) as BackupDetails),
    }))
    .filter(
      (host) =>
        (agent === undefined || host.agent === agent) && (store === undefined || host.store === store),
    );
  return hosts.find((host) => host.agent === preferred) ?? hosts[0];
}

/** Cinder's ServiceNotFound: 503 where something is to be made, 404 where it is about something that is there. */
export function noBackupService(status: 404 | 503, service = 'cinder-backup'): ApiError {
  return new ApiError(status, `Service ${service.slice(0, 255)} could not be found.`);
}

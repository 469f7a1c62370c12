import type { Kysely } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import { ApiError } from '#api/http/errors.ts';
import type { OperationId, VolumeId } from '#schema/ids.ts';
import type { Tables } from '#schema/tables.ts';
import type { Connector } from './schema.ts';

/** How long a request waits for the storage host before it answers that it still works. */
const WAIT_MS = 60_000;

/** A CHAP account, its secret sealed as it rests in MySQL. */
interface Account {
  readonly chap_username: string | null;
  readonly chap_secret: string | null;
}

/** A fresh account of one attachment. */
export function newAccount({ app }: RequestContext, volumeId: VolumeId): Account {
  return {
    chap_username: app.ids.uuid().replaceAll('-', ''),
    chap_secret: app.secrets.encrypt(app.secrets.chapSecret(), volumeId),
  };
}

/**
 * The account by which a client's initiator has been let in to the volume already, for another attachment: LIO keeps one for each
 * initiator, and a host has one session, whichever of its servers it is for. To be asked where the volume's row is held.
 */
export function accountOf(q: Kysely<Tables>, volumeId: VolumeId, { initiator }: Connector) {
  return (
    q
      .selectFrom('attachments')
      .select(['chap_username', 'chap_secret'])
      .where('volume_id', '=', volumeId)
      .where('initiator', '=', initiator)
      // A guest's own host is none of a client's.
      .where('managed', '=', 0)
      .where('chap_secret', 'is not', null)
      .orderBy('created_at')
      .limit(1)
  );
}

/** The columns that a client's connector fills. @param account that its initiator has already, if any */
export function connectorColumns(
  context: RequestContext,
  volumeId: VolumeId,
  connector: Connector,
  account?: Account,
) {
  return {
    connector: JSON.stringify(connector),
    initiator: connector.initiator,
    host: connector.host ?? null,
    mountpoint: connector.mountpoint ?? null,
    ...(account ?? newAccount(context, volumeId)),
  };
}

/**
 * Submits a committed operation and waits for its end.
 * @throws ApiError 500 with the reason when it was undone or is stuck, 503 when it has not ended yet.
 */
export async function carryOut(
  { app }: RequestContext,
  id: OperationId,
  what: string,
  alreadySubmitted = false,
): Promise<void> {
  if (!alreadySubmitted) app.operations.submit(id);
  const { state, error } = await app.operations.ended(id, WAIT_MS);
  if (state === 'done') return;
  if (state === 'undone' || state === 'stuck') {
    throw new ApiError(500, `Unable to ${what} (${error ?? 'unknown reason'}). See operation ${id}.`);
  }
  throw new ApiError(503, `Still at work to ${what}: operation ${id} is ${state}.`);
}

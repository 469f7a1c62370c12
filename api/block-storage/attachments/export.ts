import type { RequestContext } from '#api/http/context.ts';
import { ApiError } from '#api/http/errors.ts';
import type { OperationId, VolumeId } from '#schema/ids.ts';
import type { Connector } from './schema.ts';

/** How long a request waits for the storage host before it answers that it still works. */
const WAIT_MS = 60_000;

/** A fresh CHAP account of one attachment, its secret sealed as it rests in MySQL. */
export function newAccount(
  { app }: RequestContext,
  volumeId: VolumeId,
): { chap_username: string; chap_secret: string } {
  return {
    chap_username: app.ids.uuid().replaceAll('-', ''),
    chap_secret: app.secrets.encrypt(app.secrets.chapSecret(), volumeId),
  };
}

/** The columns that a client's connector fills. */
export function connectorColumns(context: RequestContext, volumeId: VolumeId, connector: Connector) {
  return {
    connector: JSON.stringify(connector),
    initiator: connector.initiator,
    host: connector.host ?? null,
    mountpoint: connector.mountpoint ?? null,
    ...newAccount(context, volumeId),
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

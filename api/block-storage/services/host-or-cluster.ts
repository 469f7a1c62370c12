import { z } from 'zod';
import type { RequestContext } from '#api/http/context.ts';
import { invalidInput } from '#api/http/errors.ts';

/** A host, or a back end or pool of one. */
export const hostSchema = z
  .string()
  .min(1, { error: 'is too short' })
  .max(255, { error: 'is too long' })
  .regex(/^[a-zA-Z0-9\-._#@:/+[\]]*$/, {
    error: String.raw`does not match '^[a-zA-Z0-9-._#@:/+\\[\\]]*$'`,
  })
  .nullish();

export interface Named {
  readonly host?: string | null | undefined;
  readonly cluster?: string | null | undefined;
}

/**
 * Which of the two a request names; the other one is `''`.
 * @param clustersSince minor of the microversion from which a cluster may be named.
 * @throws ApiError 400 for neither or both
 */
export function hostOrCluster(
  { microversion }: RequestContext,
  { host, cluster }: Named,
  clustersSince: number,
): { readonly host: string; readonly cluster: string } {
  const clusters = microversion >= clustersSince;
  const named = { host: host ?? '', cluster: clusters ? (cluster ?? '') : '' };
  if ((named.host === '') === (named.cluster === '')) {
    throw invalidInput(
      clusters ? 'One and only one of cluster and host must be set.' : 'Host field is missing.',
    );
  }
  return named;
}

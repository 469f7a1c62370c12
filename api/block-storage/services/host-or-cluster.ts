import type { RequestContext } from '#api/http/context.ts';
import { invalidInput } from '#api/http/errors.ts';

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

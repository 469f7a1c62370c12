import { ApiError } from '#api/http/errors.ts';
import type { Authenticator } from './authenticator.ts';

/** Whoever the first one does not know is asked for at the second: operators' own tokens beside an identity service. */
export function eitherOf(first: Authenticator, second: Authenticator): Authenticator {
  return {
    async authenticate(request, projectInPath) {
      try {
        return await first.authenticate(request, projectInPath);
      } catch (error) {
        if (!(error instanceof ApiError) || error.status !== 401) throw error;
        return second.authenticate(request, projectInPath);
      }
    },
    isAdminToken: async (token) => (await first.isAdminToken(token)) || second.isAdminToken(token),
  };
}

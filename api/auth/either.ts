import type { Authenticator } from './authenticator.ts';
import type { TokenAuthenticator } from './tokens.ts';

/** Operators' own tokens beside an identity service, which is asked for whoever is not among them. */
export function eitherOf(own: TokenAuthenticator, service: Authenticator): Authenticator {
  return {
    // Not by way of the refusal: an error for each of the service's tokens would cost more than looking it up.
    authenticate: (request, projectInPath) =>
      own.find(request.headers['x-auth-token']) ?? service.authenticate(request, projectInPath),
    isAdminToken: async (token) => own.isAdminToken(token) || service.isAdminToken(token),
  };
}

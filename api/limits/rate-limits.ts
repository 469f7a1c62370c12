import type { IncomingMessage } from 'node:http';
import type { Caller } from '#api/http/context.ts';
import { ApiError } from '#api/http/errors.ts';
import type { Clock } from '#schema/clock.ts';
import { addressOf } from './address.ts';
import { type Rate, TokenBuckets } from './token-buckets.ts';

export interface RateLimitOptions {
  /** Each project's requests; undefined for no limit. Administrators have none. */
  readonly project: Rate | undefined;
  /** Each address's requests that prove nobody; undefined for no limit. */
  readonly unauthenticated: Rate | undefined;
  /** Addresses whose `X-Forwarded-For` is believed. */
  readonly proxies: readonly string[];
}

/** How much one project, or one address without a token, may ask of this process. */
export interface RateLimits {
  /** Before anything is looked at. @throws ApiError 429 for an address that has failed too often. */
  admit(request: IncomingMessage): void;
  /** A request that proved nobody. */
  failed(request: IncomingMessage): void;
  /** @throws ApiError 429 when the caller's project has asked too much. */
  take(caller: Caller): void;
}

export function createRateLimits(
  { project, unauthenticated, proxies }: RateLimitOptions,
  clock: Clock,
): RateLimits {
  const projects = project && new TokenBuckets(project, clock);
  const addresses = unauthenticated && new TokenBuckets(unauthenticated, clock);
  const trusted = new Set(proxies);
  return {
    admit(request) {
      const seconds = addresses?.look(addressOf(request, trusted)) ?? 0;
      if (seconds > 0) throw tooMany(seconds);
    },
    failed(request) {
      addresses?.take(addressOf(request, trusted));
    },
    take(caller) {
      if (projects === undefined || caller.isAdmin) return;
      const seconds = projects.take(caller.projectId);
      if (seconds > 0) throw tooMany(seconds);
    },
  };
}

/** RFC 6585; the header is what OpenStack's clients wait by. */
function tooMany(seconds: number): ApiError {
  return new ApiError(429, 'This request was rate-limited.', { 'Retry-After': String(seconds) });
}

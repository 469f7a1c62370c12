import { z } from 'zod';
import type { ConnectionLimits } from './connections.ts';
import type { RateLimitOptions } from './rate-limits.ts';
import type { Rate } from './token-buckets.ts';

const RATE = /^([1-9]\d{0,6})(?::([1-9]\d{0,7}))?$/;

/** `off`, `N` a second, or `N:BURST`; without a burst it is ten seconds' worth. */
const rate = z.string().transform((text, context): Rate | undefined => {
  if (text === 'off') return undefined;
  const match = RATE.exec(text);
  if (match === null) {
    context.addIssue('must be off, requests a second, or requests:burst');
    return z.NEVER;
  }
  const perSecond = Number(match[1]);
  return { perSecond, burst: Number(match[2] ?? perSecond * 10) };
});

const count = z
  .string()
  .regex(/^[1-9]\d{0,6}$/, { error: 'must be a whole number above 0' })
  .transform(Number);

const addresses = z
  .string()
  .transform((text) =>
    text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== ''),
  )
  .pipe(z.array(z.union([z.ipv4(), z.ipv6()], { error: 'must be addresses separated by commas' })));

export const LIMIT_SETTINGS = {
  BLOCKYARD_RATE_LIMIT: rate.default({ perSecond: 500, burst: 5_000 }),
  BLOCKYARD_RATE_LIMIT_UNAUTHENTICATED: rate.default({ perSecond: 20, burst: 200 }),
  BLOCKYARD_TRUSTED_PROXIES: addresses.default([]),
  BLOCKYARD_MAX_CONNECTIONS: count.default(4_096),
  BLOCKYARD_MAX_CONNECTIONS_PER_ADDRESS: count.default(1_024),
} as const;

interface LimitVariables {
  readonly BLOCKYARD_RATE_LIMIT: Rate | undefined;
  readonly BLOCKYARD_RATE_LIMIT_UNAUTHENTICATED: Rate | undefined;
  readonly BLOCKYARD_TRUSTED_PROXIES: readonly string[];
  readonly BLOCKYARD_MAX_CONNECTIONS: number;
  readonly BLOCKYARD_MAX_CONNECTIONS_PER_ADDRESS: number;
}

export interface Limits {
  readonly rates: RateLimitOptions;
  readonly connections: ConnectionLimits;
}

export function limitsFrom(env: LimitVariables): Limits {
  const proxies = env.BLOCKYARD_TRUSTED_PROXIES;
  return {
    rates: {
      project: env.BLOCKYARD_RATE_LIMIT,
      unauthenticated: env.BLOCKYARD_RATE_LIMIT_UNAUTHENTICATED,
      proxies,
    },
    connections: {
      total: env.BLOCKYARD_MAX_CONNECTIONS,
      perAddress: env.BLOCKYARD_MAX_CONNECTIONS_PER_ADDRESS,
      proxies,
    },
  };
}

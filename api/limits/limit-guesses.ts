import type Koa from 'koa';
import { ApiError } from '#api/http/errors.ts';
import type { RateLimits } from './rate-limits.ts';

/** The dashboard takes an administrator's token too: guesses count there as everywhere. */
export function limitGuesses(dashboard: Koa.Middleware, limits: RateLimits | undefined): Koa.Middleware {
  return async (ctx, next) => {
    if (!ctx.path.startsWith('/dashboard')) return next();
    try {
      limits?.admit(ctx.req);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      ctx.status = error.status;
      ctx.set(error.headers);
      return undefined;
    }
    await dashboard(ctx, next);
    if (ctx.status === 401) limits?.failed(ctx.req);
    return undefined;
  };
}

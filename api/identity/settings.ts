import { z } from 'zod';
import type { IdentitySettings } from './builtin/service.ts';

const number = (most: number): z.ZodType<number, string> =>
  z
    .string()
    .regex(/^[1-9]\d{0,6}$/, { error: 'must be a whole number above 0' })
    .transform(Number)
    .refine((value) => value <= most, { error: `must be at most ${most}` });

export const IDENTITY_SETTINGS = {
  /** Minutes that a token is good for. */
  BLOCKYARD_TOKEN_MINUTES: number(44_640).default(480),
  /** So many wrong passwords in a row lock a user out, for so many minutes. */
  BLOCKYARD_LOGIN_ATTEMPTS: number(1_000).default(10),
  BLOCKYARD_LOCKOUT_MINUTES: number(44_640).default(5),
} as const;

export function identitySettings(env: {
  readonly BLOCKYARD_TOKEN_MINUTES: number;
  readonly BLOCKYARD_LOGIN_ATTEMPTS: number;
  readonly BLOCKYARD_LOCKOUT_MINUTES: number;
}): IdentitySettings {
  return {
    tokenMs: env.BLOCKYARD_TOKEN_MINUTES * 60_000,
    attempts: env.BLOCKYARD_LOGIN_ATTEMPTS,
    lockoutMs: env.BLOCKYARD_LOCKOUT_MINUTES * 60_000,
  };
}

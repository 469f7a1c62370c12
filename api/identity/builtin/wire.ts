/** What clients send to be given a token: Keystone's "Password / Token authentication with … authorization". */
import { z } from 'zod';

const id = z.string().min(1).max(64);
const name = z.string().min(1).max(255);
const domain = z.looseObject({ id: id.optional(), name: name.optional() });
/** Longer ones would only keep the hash busy. */
export const password = z.string().max(4_096);

const user = z
  .looseObject({ id: id.optional(), name: name.optional(), domain: domain.optional(), password })
  .refine((value) => value.id !== undefined || (value.name !== undefined && value.domain !== undefined), {
    error: 'must have an id, or a name and a domain',
  });
const token = z.looseObject({
  id: z
    .string()
    .max(8_192)
    .regex(/^[\x21-\x7e]+$/, { error: 'is not a token' }),
});
const project = z
  .looseObject({ id: id.optional(), name: name.optional(), domain: domain.optional() })
  .refine((value) => value.id !== undefined || (value.name !== undefined && value.domain !== undefined), {
    error: 'must have an id, or a name and a domain',
  });
const scope = z
  .looseObject({
    project: project.optional(),
    domain: domain.optional(),
    system: z.looseObject({ all: z.literal(true) }).optional(),
  })
  .refine(({ project, domain, system }) => [project, domain, system].filter(Boolean).length === 1, {
    error: 'must be one of project, domain and system',
  });

export const loginBody = z.looseObject({
  auth: z.looseObject({
    identity: z
      .looseObject({
        methods: z.array(z.string()).min(1).max(10),
        password: z.looseObject({ user }).optional(),
        token: token.optional(),
      })
      .refine((identity) => identity.methods.every((method) => !(method in METHODS) || method in identity), {
        error: 'lacks what its methods name',
      }),
    scope: z.union([z.literal('unscoped'), scope]).optional(),
  }),
});

const METHODS = { password: true, token: true };

export interface Credentials {
  readonly password?: { readonly user: z.infer<typeof user> } | undefined;
  readonly token?: { readonly id: string } | undefined;
}
export type AskedScope = z.infer<typeof scope> | 'unscoped' | undefined;

/** What of the body counts. @returns undefined when it asks for a method that is not here. */
export function credentialsOf({ auth: { identity } }: z.infer<typeof loginBody>): Credentials | undefined {
  if (!identity.methods.every((method) => method in METHODS)) return undefined;
  return {
    password: identity.methods.includes('password') ? identity.password : undefined,
    token: identity.methods.includes('token') ? identity.token : undefined,
  };
}

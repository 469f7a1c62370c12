/** What clients send to be given a token: Keystone's "Password / Token authentication with … authorization". */
import { z } from 'zod';
import { comparable } from '../comparable.ts';

const id = z.string().min(1).max(64).overwrite(comparable);
const name = z.string().min(1).max(255);
const domain = z.looseObject({ id: id.optional(), name: name.optional() });
/** Longer ones would only keep the hash busy. */
export const password = z.string().max(4_096);

interface Reference {
  readonly id?: string | undefined;
  readonly name?: string | undefined;
  readonly domain?: z.infer<typeof domain> | undefined;
}
const reference = { id: id.optional(), name: name.optional(), domain: domain.optional() };
const isNamed = (value: Reference): boolean =>
  value.id !== undefined || (value.name !== undefined && value.domain !== undefined);
const NOT_NAMED = { error: 'must have an id, or a name and a domain' };

// Nobody has an empty one: who sends none is told no more than who sends a wrong one.
const user = z.looseObject({ ...reference, password: password.default('') }).refine(isNamed, NOT_NAMED);
const token = z.looseObject({
  id: z
    .string()
    .max(8_192)
    .regex(/^[\x21-\x7e]+$/, { error: 'is not a token' }),
});
const applicationCredential = z
  .looseObject({
    id: id.optional(),
    name: name.optional(),
    user: z.looseObject(reference).refine(isNamed, NOT_NAMED).optional(),
    secret: password,
  })
  .refine((value) => value.id !== undefined || (value.name !== undefined && value.user !== undefined), {
    error: 'must have an id, or a name and a user',
  });
const project = z.looseObject(reference).refine(isNamed, NOT_NAMED);
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
        methods: z.array(z.string()).max(10),
        password: z.looseObject({ user }).optional(),
        token: token.optional(),
        application_credential: applicationCredential.optional(),
      })
      .refine(
        (identity) =>
          identity.methods.every((method) => !Object.hasOwn(METHODS, method) || method in identity),
        {
          error: 'lacks what its methods name',
        },
      ),
    scope: z.union([z.literal('unscoped'), scope]).optional(),
  }),
});

const METHODS = { password: true, token: true, application_credential: true };

export interface Credentials {
  readonly password?: { readonly user: z.infer<typeof user> } | undefined;
  readonly token?: { readonly id: string } | undefined;
  readonly applicationCredential?: AskedCredential | undefined;
}
export type AskedCredential = z.infer<typeof applicationCredential>;
export type AskedScope = z.infer<typeof scope> | 'unscoped' | undefined;

/**
 * What of the body counts.
 * @returns `unsupported` for a method that is not here; undefined for none, and for another one beside an application credential.
 */
export function credentialsOf({
  auth: { identity },
}: z.infer<typeof loginBody>): Credentials | 'unsupported' | undefined {
  const methods = new Set(identity.methods);
  if (![...methods].every((method) => Object.hasOwn(METHODS, method))) return 'unsupported';
  if (methods.size === 0) return undefined;
  if (methods.has('application_credential'))
    return methods.size > 1 ? undefined : { applicationCredential: identity.application_credential };
  return {
    password: methods.has('password') ? identity.password : undefined,
    token: methods.has('token') ? identity.token : undefined,
  };
}

import { z } from 'zod';
import { catalog } from '../catalog.ts';

const text = z.string();
const named = z.strictObject({ id: text, name: text });
const token = z.strictObject({
  methods: z.array(text),
  user: z.strictObject({ id: text, name: text, domain: named, password_expires_at: z.null() }),
  audit_ids: z.array(text),
  expires_at: text,
  issued_at: text,
  project: z.strictObject({ id: text, name: text, domain: named }).optional(),
  is_domain: z.literal(false).optional(),
  domain: named.optional(),
  system: z.strictObject({ all: z.literal(true) }).optional(),
  roles: z.array(named).optional(),
  application_credential: z.strictObject({ id: text, name: text, restricted: z.boolean() }).optional(),
  catalog: catalog.optional(),
});

/** What a token says of itself, when it is made and later. */
export const tokenReply = z.strictObject({ token });

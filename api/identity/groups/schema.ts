import { z } from 'zod';
import { selfLink } from '../fields.ts';

export const group = z.strictObject({
  id: z.string(),
  name: z.string(),
  domain_id: z.string(),
  description: z.string(),
  links: selfLink,
});

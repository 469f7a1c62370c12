import { MEMBER_STATUSES } from './schema.ts';

const text = (description: string) => ({ type: 'string', description });

/** The JSON schemas that Glance's own clients may ask for. */
export const MEMBER_SCHEMA = {
  name: 'member',
  properties: {
    image_id: text('The image'),
    member_id: text('The project that it is shared with'),
    status: { ...text('Whether the project wants it'), enum: [...MEMBER_STATUSES] },
    created_at: text('When it was shared'),
    updated_at: text('When the status was last changed'),
    schema: { type: 'string' },
  },
} as const;

export const MEMBERS_SCHEMA = {
  name: 'members',
  properties: { members: { type: 'array', items: MEMBER_SCHEMA }, schema: { type: 'string' } },
} as const;

/** Keystone's name for the place where everybody is who is nowhere else; there is no other here. */
export const DOMAIN = { id: 'default', name: 'Default' } as const;

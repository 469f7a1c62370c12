/** What Cinder counts per project; all but the last are sums over the project's rows. */
export const RESOURCES = [
  'volumes',
  'snapshots',
  'gigabytes',
  'backups',
  'backup_gigabytes',
  'groups',
  'per_volume_gigabytes',
] as const;
export type Resource = (typeof RESOURCES)[number];

/** Those that each volume type may have limits of its own for: `volumes_<type>`. */
export const TYPED_RESOURCES = ['volumes', 'gigabytes', 'snapshots'] as const satisfies readonly Resource[];

/** Cinder's word for no limit. */
export const UNLIMITED = -1;

/** What holds where nobody has set a limit for the project or its class. */
export type QuotaDefaults = Readonly<Record<Resource, number>>;

export const NO_LIMITS: QuotaDefaults = {
  volumes: UNLIMITED,
  snapshots: UNLIMITED,
  gigabytes: UNLIMITED,
  backups: UNLIMITED,
  backup_gigabytes: UNLIMITED,
  groups: UNLIMITED,
  per_volume_gigabytes: UNLIMITED,
};

/** Whose limits: a project's come before its class's. Compared as text, the nearer is the greater. */
export const projectOwner = (project: string): string => `project:${project}`;
export const classOwner = (name: string): string => `class:${name}`;
/** The class that every project is in. */
export const DEFAULT_CLASS = 'default';

/** In rising order: what is set for the last holds. */
export function ownersOf(project: string): string[] {
  return [classOwner(DEFAULT_CLASS), projectOwner(project)];
}

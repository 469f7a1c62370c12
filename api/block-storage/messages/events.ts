import type { OperationKind } from '#schema/operations.ts';

/** What an operation's failure is in Cinder's catalogue (its message fields): a resource, an action and a detail. */
export interface Event {
  readonly resource: 'VOLUME' | 'VOLUME_SNAPSHOT' | 'VOLUME_BACKUP';
  readonly action: keyof typeof ACTIONS;
  readonly detail: keyof typeof DETAILS;
}

/** From 101 on they are ours: Cinder has no messages about those. */
const ACTIONS = {
  '001': 'schedule allocate volume',
  '002': 'attach volume',
  '003': 'copy volume to image',
  '004': 'update attachment',
  '005': 'copy image to volume',
  '006': 'unmanage volume',
  '007': 'extend volume',
  '008': 'create volume from backend storage',
  '009': 'create snapshot',
  '010': 'delete snapshot',
  '013': 'create backup',
  '014': 'delete backup',
  '015': 'restore backup',
  '016': 'reimage volume',
  '101': 'delete volume',
  '102': 'detach volume',
  '103': 'manage volume',
  '104': 'retype volume',
  '105': 'migrate volume',
  '106': 'revert volume',
  '107': 'repair volume',
  '108': 'tune volume',
  '109': 'change server',
  '110': 'manage snapshot',
  '111': 'unmanage snapshot',
  '112': 'import backup',
} as const;

const DETAILS = {
  '001': 'An unknown error occurred.',
  '003': 'Could not find any available weighted backend.',
  '004': 'Failed to upload volume to image at backend.',
  '010': 'Volume Driver failed to extend volume.',
  '012': 'Driver failed to create the volume.',
  '013': 'Snapshot failed to create.',
  '016': 'Snapshot failed to delete.',
  '020': 'Backup driver failed to create backup.',
  '021': 'Failed to attach volume.',
  '022': 'Failed to detach volume.',
  '025': 'Backup driver failed to delete backup.',
  '026': 'Backup driver failed to restore backup.',
  '028': 'Compute service failed to reimage volume.',
} as const;

const volume = (action: Event['action'], detail: Event['detail'] = '001'): Event => ({
  resource: 'VOLUME',
  action,
  detail,
});
const snapshot = (action: Event['action'], detail: Event['detail'] = '001'): Event => ({
  resource: 'VOLUME_SNAPSHOT',
  action,
  detail,
});
const backup = (action: Event['action'], detail: Event['detail'] = '001'): Event => ({
  resource: 'VOLUME_BACKUP',
  action,
  detail,
});

const EVENTS: { readonly [K in OperationKind]: Event } = {
  'volume.create': volume('008', '012'),
  'volume.delete': volume('101'),
  'volume.attach': volume('002', '021'),
  'volume.detach': volume('102', '022'),
  'volume.force-detach': volume('102', '022'),
  'volume.extend': volume('007', '010'),
  'volume.upload': volume('003', '004'),
  'volume.repair': volume('107'),
  'volume.manage': volume('103', '012'),
  'volume.unmanage': volume('006'),
  'volume.revert': volume('106'),
  'volume.reimage': volume('016', '028'),
  'volume.retype': volume('104'),
  'volume.migrate': volume('105'),
  'qos.apply': volume('108'),
  'attachment.export': volume('004', '021'),
  'attachment.revoke': volume('102', '022'),
  'snapshot.create': snapshot('009', '013'),
  'snapshot.delete': snapshot('010', '016'),
  'snapshot.manage': snapshot('110', '013'),
  'snapshot.unmanage': snapshot('111'),
  'backup.create': backup('013', '020'),
  'backup.delete': backup('014', '025'),
  'backup.import': backup('112'),
  'backup.restore': backup('015', '026'),
  'server.create': volume('109'),
  'server.delete': volume('109'),
  'server.power': volume('109'),
};

const KINDS = Object.keys(EVENTS) as OperationKind[];

/** How placement begins to say that no pool will do. */
const NO_BACKEND = ['No storage backend', 'The volume must lie where its source is'] as const;
const UNPLACED = volume('001', '003');

/** What came of an operation, of the kinds that Cinder tells apart. */
export function eventOf(row: { readonly kind: string; readonly error: string | null }): Event {
  if (row.kind === 'volume.create' && NO_BACKEND.some((words) => row.error?.startsWith(words))) {
    return UNPLACED;
  }
  return EVENTS[row.kind as OperationKind];
}

export function eventId({ resource, action, detail }: Event): string {
  return `VOLUME_${resource}_${action}_${detail}`;
}

/** Cinder's words: `extend volume:Volume Driver failed to extend volume.` */
export function eventWords({ action, detail }: Event): string {
  return `${ACTIONS[action]}:${DETAILS[detail]}`;
}

/** `undefined`: an operation of that kind never comes to this; `unplaced`: only without a pool, or only with one. */
interface Chosen {
  readonly kinds: readonly OperationKind[];
  readonly unplaced?: boolean;
}

/** The operations that a message of this id is about. */
export function withEventId(id: string): Chosen {
  if (id === eventId(UNPLACED)) return { kinds: ['volume.create'], unplaced: true };
  const kinds = KINDS.filter((kind) => eventId(EVENTS[kind]) === id);
  return { kinds, ...(kinds.includes('volume.create') && { unplaced: false }) };
}

export function withResource(type: string): readonly OperationKind[] {
  return KINDS.filter((kind) => EVENTS[kind].resource === type);
}

/** SQL that is true of a volume that found no pool. */
export const UNPLACED_SQL = {
  sql: `(${NO_BACKEND.map(() => 'o.error LIKE ?').join(' OR ')})`,
  values: NO_BACKEND.map((words) => `${words}%`),
};

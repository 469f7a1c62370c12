import type { Kysely } from 'kysely';
import { Migrator } from 'kysely/migration';
import { up as foundation } from '#schema/migrations/001-foundation.ts';
import { up as imagesAndServers } from '#schema/migrations/002-images-and-servers.ts';
import { up as imageQuotas } from '#schema/migrations/003-image-quotas.ts';
import { up as evictions } from '#schema/migrations/004-evictions.ts';
import { up as timeline } from '#schema/migrations/005-timeline.ts';
import { up as imageMembers } from '#schema/migrations/006-image-members.ts';
import { up as identity } from '#schema/migrations/007-identity.ts';
import { up as volumes } from '#schema/migrations/008-volumes.ts';
import { up as migration } from '#schema/migrations/009-migration.ts';
import { up as backups } from '#schema/migrations/011-backups.ts';
import { up as groups } from '#schema/migrations/012-groups.ts';
import { up as quotas } from '#schema/migrations/013-quotas.ts';
import { up as encryption } from '#schema/migrations/014-encryption.ts';
import { up as imageKeys } from '#schema/migrations/015-image-keys.ts';
import { up as applicationCredentials } from '#schema/migrations/016-application-credentials.ts';
import { up as groupType } from '#schema/migrations/017-default-group-type.ts';
import { up as identityGroups } from '#schema/migrations/018-identity-groups.ts';
import { up as roleImplications } from '#schema/migrations/019-role-implications.ts';
import { up as pages } from '#schema/migrations/020-pages.ts';
import { up as lists } from '#schema/migrations/021-lists.ts';
import type { Tables } from '#schema/tables.ts';

/** In order, append only; the name is what the database remembers. */
const MIGRATIONS = {
  '001-foundation': { up: foundation },
  '002-images-and-servers': { up: imagesAndServers },
  '003-image-quotas': { up: imageQuotas },
  '004-evictions': { up: evictions },
  '005-timeline': { up: timeline },
  '006-image-members': { up: imageMembers },
  '007-identity': { up: identity },
  '008-volumes': { up: volumes },
  '009-migration': { up: migration },
  '011-backups': { up: backups },
  '012-groups': { up: groups },
  '013-quotas': { up: quotas },
  '014-encryption': { up: encryption },
  '015-image-keys': { up: imageKeys },
  '016-application-credentials': { up: applicationCredentials },
  '017-default-group-type': { up: groupType },
  '018-identity-groups': { up: identityGroups },
  '019-role-implications': { up: roleImplications },
  '020-pages': { up: pages },
  '021-lists': { up: lists },
};

/** Brings the database up to date. Safe to call from several processes at once: Kysely takes a lock. */
export async function migrate(db: Kysely<Tables>): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => MIGRATIONS } });
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) throw error;
}

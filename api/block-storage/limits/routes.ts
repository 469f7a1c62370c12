/** Cinder's "Limits (limits)", with what is used. */
import { z } from 'zod';
import { anyQuery, noParams } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { projectLimits } from '../quotas/limits.ts';
import { totalsOf } from '../quotas/usage.ts';

/** From here on an administrator may ask for another project's. */
const OF_ANY_PROJECT_SINCE = 39;

const absolute = z.strictObject({
  maxTotalVolumes: z.int(),
  maxTotalVolumeGigabytes: z.int(),
  maxTotalSnapshots: z.int(),
  maxTotalBackups: z.int(),
  maxTotalBackupGigabytes: z.int(),
  totalVolumesUsed: z.int(),
  totalGigabytesUsed: z.int(),
  totalSnapshotsUsed: z.int(),
  totalBackupsUsed: z.int(),
  totalBackupGigabytesUsed: z.int(),
});

export const limitRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/limits',
    summary: 'Show limits and usage',
    params: noParams,
    query: anyQuery,
    adminQueryNames: ['project_id', 'tenant_id'],
    replies: {
      200: z.strictObject({ limits: z.strictObject({ rate: z.array(z.unknown()).max(0), absolute }) }),
    },
    handle: async ({ app, caller, microversion }, { query }) => {
      const asked = query['project_id'] ?? query['tenant_id'];
      const mayAsk = caller.isAdmin && microversion >= OF_ANY_PROJECT_SINCE;
      const project = (mayAsk ? asked : undefined) ?? caller.projectId;
      const [limits, usage] = await Promise.all([projectLimits(app, project), totalsOf(app, project)]);
      const values = {
        maxTotalVolumes: limits.of('volumes'),
        maxTotalVolumeGigabytes: limits.of('gigabytes'),
        maxTotalSnapshots: limits.of('snapshots'),
        maxTotalBackups: limits.of('backups'),
        maxTotalBackupGigabytes: limits.of('backup_gigabytes'),
        totalVolumesUsed: usage.of('volumes').inUse,
        totalGigabytesUsed: usage.of('gigabytes').inUse,
        totalSnapshotsUsed: usage.of('snapshots').inUse,
        totalBackupsUsed: usage.of('backups').inUse,
        totalBackupGigabytesUsed: usage.of('backup_gigabytes').inUse,
      };
      return { status: 200, body: { limits: { rate: [], absolute: values } } };
    },
  }),
];

/** Cinder's "Limits (limits)" and "Quota sets extension (os-quota-sets)": what is used, and that nothing is limited. */
import { CompiledQuery } from 'kysely';
import { z } from 'zod';
import type { RequestContext } from '#api/http/context.ts';
import { forbidden } from '#api/http/errors.ts';
import { anyQuery, isTrue, noParams } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';

/** Cinder's word for no limit. */
const UNLIMITED = -1;

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

interface Usage {
  readonly volumes: number;
  readonly snapshots: number;
  /** Of both, as Cinder counts them. */
  readonly gib: number;
}

async function usage(context: RequestContext, project: string): Promise<Usage> {
  const [volumes, snapshots] = await Promise.all(
    ['volumes', 'snapshots'].map(async (table) => {
      const { rows } = await context.app.db.executeQuery<{ n: number; gib: string | null }>(
        CompiledQuery.raw(`SELECT COUNT(*) AS n, SUM(size_gib) AS gib FROM ${table} WHERE project_id = ?`, [
          project,
        ]),
      );
      return { n: rows[0]?.n ?? 0, gib: Number(rows[0]?.gib ?? 0) };
    }),
  );
  return {
    volumes: volumes?.n ?? 0,
    snapshots: snapshots?.n ?? 0,
    gib: (volumes?.gib ?? 0) + (snapshots?.gib ?? 0),
  };
}

const quota = z.union([
  z.int(),
  z.strictObject({ limit: z.int(), in_use: z.int(), reserved: z.int(), allocated: z.int().optional() }),
]);

function quotaSet(id: string, used: Usage | undefined) {
  const one = (inUse: number) =>
    used === undefined ? UNLIMITED : { limit: UNLIMITED, in_use: inUse, reserved: 0 };
  return {
    id,
    volumes: one(used?.volumes ?? 0),
    gigabytes: one(used?.gib ?? 0),
    snapshots: one(used?.snapshots ?? 0),
    backups: one(0),
    backup_gigabytes: one(0),
    groups: one(0),
    per_volume_gigabytes: one(0),
  };
}

function checkProject({ caller }: RequestContext, project: string): void {
  if (project === caller.projectId || caller.isAdmin) return;
  throw forbidden("Policy doesn't allow volume_extension:quotas:show to be performed.");
}

const projectParams = z.strictObject({ project: z.string() });
const quotaReply = z.strictObject({
  quota_set: z.object({ id: z.string() }).catchall(quota),
});

export const limitRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/limits',
    summary: 'Show limits and usage',
    params: noParams,
    query: anyQuery,
    queryNames: ['project_id'],
    replies: {
      200: z.strictObject({ limits: z.strictObject({ rate: z.array(z.unknown()).max(0), absolute }) }),
    },
    handle: async (context, { query }) => {
      const asked = query['project_id'] ?? query['tenant_id'];
      const mayAsk = context.caller.isAdmin && context.microversion >= 39;
      const used = await usage(context, (mayAsk ? asked : undefined) ?? context.caller.projectId);
      const limits = {
        maxTotalVolumes: UNLIMITED,
        maxTotalVolumeGigabytes: UNLIMITED,
        maxTotalSnapshots: UNLIMITED,
        maxTotalBackups: UNLIMITED,
        maxTotalBackupGigabytes: UNLIMITED,
        totalVolumesUsed: used.volumes,
        totalGigabytesUsed: used.gib,
        totalSnapshotsUsed: used.snapshots,
        totalBackupsUsed: 0,
        totalBackupGigabytesUsed: 0,
      };
      return { status: 200, body: { limits: { rate: [], absolute: limits } } };
    },
  }),
  route({
    method: 'GET',
    path: '/os-quota-sets/{project}',
    summary: "Show a project's quotas",
    params: projectParams,
    query: anyQuery,
    queryNames: ['usage'],
    replies: { 200: quotaReply },
    handle: async (context, { params: { project }, query }) => {
      checkProject(context, project);
      const withUsage = isTrue(query['usage']);
      const used = withUsage ? await usage(context, project) : undefined;
      return { status: 200, body: { quota_set: quotaSet(project, used) } };
    },
  }),
  route({
    method: 'GET',
    path: '/os-quota-sets/{project}/defaults',
    summary: 'Show the default quotas',
    params: projectParams,
    query: anyQuery,
    replies: { 200: quotaReply },
    handle: (context, { params: { project } }) => {
      checkProject(context, project);
      return { status: 200, body: { quota_set: quotaSet(project, undefined) } };
    },
  }),
];

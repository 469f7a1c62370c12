/** Nova's "Limits (limits)" and "Quota sets (os-quota-sets)" on the wire: nothing limits servers but their hosts, which Nova writes as -1. */
import { z } from 'zod';
import type { UsedByServers } from './used.ts';

const NETWORK_UNTIL = 36;
const IMAGE_META_UNTIL = 39;
const CLASS_IN_LINE = 50;
const FILES_UNTIL = 57;
const ALWAYS = Number.POSITIVE_INFINITY;
const UNLIMITED = -1;

/** What there is, and before which microversion. */
type Until = Readonly<Record<string, number>>;

const until = (microversion: number, names: readonly string[]): Until =>
  Object.fromEntries(names.map((name) => [name, microversion]));

const SERVERS = until(ALWAYS, ['instances', 'cores', 'ram', 'key_pairs', 'metadata_items']);
const GROUPS = until(ALWAYS, ['server_groups', 'server_group_members']);
const NETWORKS = ['fixed_ips', 'floating_ips', 'security_groups', 'security_group_rules'];
const FILES = until(FILES_UNTIL, [
  'injected_files',
  'injected_file_content_bytes',
  'injected_file_path_bytes',
]);

/** Of a quota set: networks and files given to a new server are none of Nova's any more. */
const RESOURCES: Until = { ...SERVERS, ...GROUPS, ...until(NETWORK_UNTIL, NETWORKS), ...FILES };

/** Of a quota class set, which Nova brought into line later: its networks went, and its groups came, with that. */
const CLASS_RESOURCES: Until = { ...SERVERS, ...until(CLASS_IN_LINE, NETWORKS), ...FILES };

/** Of what `limits` calls absolute. */
const LIMITS: Until = {
  ...until(ALWAYS, ['maxTotalInstances', 'maxTotalCores', 'maxTotalRAMSize', 'maxTotalKeypairs']),
  ...until(ALWAYS, ['maxServerMeta', 'maxServerGroups', 'maxServerGroupMembers']),
  ...until(NETWORK_UNTIL, ['maxTotalFloatingIps', 'maxSecurityGroups', 'maxSecurityGroupRules']),
  ...until(IMAGE_META_UNTIL, ['maxImageMeta']),
  ...until(FILES_UNTIL, ['maxPersonality', 'maxPersonalitySize']),
};

const USED: Until = {
  ...until(ALWAYS, ['totalServerGroupsUsed']),
  ...until(NETWORK_UNTIL, ['totalFloatingIpsUsed', 'totalSecurityGroupsUsed']),
};

const each = (names: Until, microversion: number, value: number) =>
  Object.fromEntries(
    Object.entries(names).flatMap(([name, before]) => (microversion < before ? [[name, value]] : [])),
  );

/** Without limits, in the words of this microversion. */
export const quotaSet = (microversion: number): Record<string, number> =>
  each(RESOURCES, microversion, UNLIMITED);

/** As `quotaSet`, with what is used. */
export function quotaDetails(microversion: number, used: UsedByServers): Record<string, QuotaDetail> {
  const inUse: Readonly<Record<string, number>> = {
    instances: used.totalInstancesUsed,
    cores: used.totalCoresUsed,
    ram: used.totalRAMUsed,
  };
  return Object.fromEntries(
    Object.entries(quotaSet(microversion)).map(([name, limit]) => [
      name,
      { limit, in_use: inUse[name] ?? 0, reserved: 0 },
    ]),
  );
}

/** As `quotaSet`, for a quota class set. */
export const quotaClassSet = (microversion: number): Record<string, number> => ({
  ...each(CLASS_RESOURCES, microversion, UNLIMITED),
  ...(microversion >= CLASS_IN_LINE && each(GROUPS, microversion, UNLIMITED)),
});

/** What there is besides servers is never used here. */
export const absoluteLimits = (microversion: number): Record<string, number> => ({
  ...each(LIMITS, microversion, UNLIMITED),
  ...each(USED, microversion, 0),
});

export const limitsReply = z.strictObject({
  limits: z.strictObject({
    rate: z.array(z.unknown()).max(0),
    absolute: z
      .object({ totalInstancesUsed: z.int(), totalCoresUsed: z.int(), totalRAMUsed: z.int() })
      .catchall(z.int()),
  }),
});
export const quotaSetReply = z.strictObject({ quota_set: z.object({ id: z.string() }).catchall(z.int()) });
const quotaDetail = z.strictObject({ limit: z.int(), in_use: z.int(), reserved: z.int() });
type QuotaDetail = z.infer<typeof quotaDetail>;
export const quotaDetailReply = z.strictObject({
  quota_set: z.object({ id: z.string() }).catchall(quotaDetail),
});
export const quotaClassReply = z.strictObject({
  quota_class_set: z.object({ id: z.string() }).catchall(z.int()),
});

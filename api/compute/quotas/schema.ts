/** Nova's "Limits (limits)" and "Quota sets (os-quota-sets)" on the wire: nothing limits servers but their hosts, which Nova writes as -1. */
import { z } from 'zod';

const NETWORK_UNTIL = 36;
const IMAGE_META_UNTIL = 39;
const FILES_UNTIL = 57;
const UNLIMITED = -1;

/** What a quota set has, and before which microversion: networks and files given to a new server are none of Nova's any more. */
const RESOURCES: Readonly<Record<string, number>> = {
  instances: Number.POSITIVE_INFINITY,
  cores: Number.POSITIVE_INFINITY,
  ram: Number.POSITIVE_INFINITY,
  key_pairs: Number.POSITIVE_INFINITY,
  metadata_items: Number.POSITIVE_INFINITY,
  server_groups: Number.POSITIVE_INFINITY,
  server_group_members: Number.POSITIVE_INFINITY,
  fixed_ips: NETWORK_UNTIL,
  floating_ips: NETWORK_UNTIL,
  security_groups: NETWORK_UNTIL,
  security_group_rules: NETWORK_UNTIL,
  injected_files: FILES_UNTIL,
  injected_file_content_bytes: FILES_UNTIL,
  injected_file_path_bytes: FILES_UNTIL,
};

/** The same for what `limits` calls absolute. */
const LIMITS: Readonly<Record<string, number>> = {
  maxTotalInstances: Number.POSITIVE_INFINITY,
  maxTotalCores: Number.POSITIVE_INFINITY,
  maxTotalRAMSize: Number.POSITIVE_INFINITY,
  maxTotalKeypairs: Number.POSITIVE_INFINITY,
  maxServerMeta: Number.POSITIVE_INFINITY,
  maxServerGroups: Number.POSITIVE_INFINITY,
  maxServerGroupMembers: Number.POSITIVE_INFINITY,
  maxTotalFloatingIps: NETWORK_UNTIL,
  maxSecurityGroups: NETWORK_UNTIL,
  maxSecurityGroupRules: NETWORK_UNTIL,
  maxImageMeta: IMAGE_META_UNTIL,
  maxPersonality: FILES_UNTIL,
  maxPersonalitySize: FILES_UNTIL,
};

const USED_UNTIL: Readonly<Record<string, number>> = {
  totalServerGroupsUsed: Number.POSITIVE_INFINITY,
  totalFloatingIpsUsed: NETWORK_UNTIL,
  totalSecurityGroupsUsed: NETWORK_UNTIL,
};

const each = (names: Readonly<Record<string, number>>, microversion: number, value: number) =>
  Object.fromEntries(
    Object.entries(names).flatMap(([name, until]) => (microversion < until ? [[name, value]] : [])),
  );

/** Without limits, in the words of this microversion. */
export const quotaSet = (microversion: number): Record<string, number> =>
  each(RESOURCES, microversion, UNLIMITED);

/** What there is besides servers is never used here. */
export const absoluteLimits = (microversion: number): Record<string, number> => ({
  ...each(LIMITS, microversion, UNLIMITED),
  ...each(USED_UNTIL, microversion, 0),
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
export const quotaClassReply = z.strictObject({
  quota_class_set: z.object({ id: z.string() }).catchall(z.int()),
});

/**
 * The limits libvirt puts on one disk (`<iotune>`), in libvirt's own words.
 * Source: libvirt formatdomain, "iotune"; virsh(1), "blkdeviotune".
 */

/** The steady rates: what bursts and Cinder's per-GB keys are built upon. */
export const RATE_KEYS = [
  'total_bytes_sec',
  'read_bytes_sec',
  'write_bytes_sec',
  'total_iops_sec',
  'read_iops_sec',
  'write_iops_sec',
] as const;

/** Every numeric key libvirt knows, in the order its schema and documentation list them. */
export const IOTUNE_KEYS = [
  ...RATE_KEYS,
  'total_bytes_sec_max',
  'read_bytes_sec_max',
  'write_bytes_sec_max',
  'total_iops_sec_max',
  'read_iops_sec_max',
  'write_iops_sec_max',
  'size_iops_sec',
  'total_bytes_sec_max_length',
  'read_bytes_sec_max_length',
  'write_bytes_sec_max_length',
  'total_iops_sec_max_length',
  'read_iops_sec_max_length',
  'write_iops_sec_max_length',
] as const;

export type IotuneKey = (typeof IOTUNE_KEYS)[number];

/** bytes/s, operations/s, seconds (`_length`) or bytes (`size_iops_sec`); an absent key means no limit. */
export type Iotune = { [key in IotuneKey]?: number } & { group_name?: string };

/** QEMU's bound for every limit, and for a burst's rate times its length. */
export const IOTUNE_MAX = 1_000_000_000_000_000;

const GROUP_NAME = /^[^\p{Cc}\p{Cs}\p{Cn}]{1,128}$/u;

/** The part of a key that its total, read and write forms share: `bytes_sec_max`. */
type IotuneClass = (typeof CLASSES)[number];
const CLASSES = [
  'bytes_sec',
  'iops_sec',
  'bytes_sec_max',
  'iops_sec_max',
  'bytes_sec_max_length',
  'iops_sec_max_length',
] as const;
const SCOPES = ['total', 'read', 'write'] as const;

/** What a key is meaningless without, as QEMU sees it. */
const NEEDS: { readonly [needy in IotuneClass]?: IotuneClass } = {
  bytes_sec_max: 'bytes_sec',
  iops_sec_max: 'iops_sec',
  bytes_sec_max_length: 'bytes_sec_max',
  iops_sec_max_length: 'iops_sec_max',
};

/**
 * Why QEMU would refuse this set of limits, or null. Zero counts as absent. Checked are: whole numbers from 0 to
 * `IOTUNE_MAX`; no total beside read or write of the same class; a burst (`_max`) beside its limit and not below it; a
 * length beside its burst, their product within `IOTUNE_MAX`; `size_iops_sec` beside an operations limit; a group name
 * beside any limit.
 * Source: libvirt domain_validate.c and qemu_driver.c (CHECK_MAX); QEMU util/throttle.c (throttle_is_valid).
 */
export function iotuneProblem(iotune: Iotune): string | null {
  return (
    rangeProblem(iotune) ??
    mixProblem(iotune) ??
    firstProblem(SCOPES, (scope) => burstProblem(iotune, scope)) ??
    sizeProblem(iotune) ??
    groupProblem(iotune)
  );
}

/**
 * Reads limits written as text, such as a QoS spec's. Values are plain decimal digits.
 * @returns the limits, or why they cannot be used.
 */
export function parseIotune(
  entries: Iterable<readonly [key: string, value: string]>,
): { readonly iotune: Iotune } | { readonly problem: string } {
  const iotune: Iotune = {};
  for (const [key, value] of entries) {
    if (Object.hasOwn(iotune, key)) return { problem: `${key} is given twice` };
    if (key === 'group_name') iotune.group_name = value;
    else if (!isIotuneKey(key)) return { problem: `${key.slice(0, 60)} is not an I/O limit libvirt knows` };
    else if (!/^[0-9]{1,20}$/.test(value)) return { problem: `${key} must be a whole number` };
    else iotune[key] = Number(value);
  }
  const problem = iotuneProblem(iotune);
  return problem === null ? { iotune } : { problem };
}

function isIotuneKey(key: string): key is IotuneKey {
  return (IOTUNE_KEYS as readonly string[]).includes(key);
}

function rangeProblem(iotune: Iotune): string | null {
  return firstProblem(IOTUNE_KEYS, (key) => {
    const value = iotune[key] ?? 0;
    return Number.isInteger(value) && value >= 0 && value <= IOTUNE_MAX
      ? null
      : `${key} must be a whole number from 0 to ${IOTUNE_MAX}`;
  });
}

function mixProblem(iotune: Iotune): string | null {
  return firstProblem(CLASSES, (kind) => {
    const other = iotune[`read_${kind}`] ? 'read' : 'write';
    return iotune[`total_${kind}`] && iotune[`${other}_${kind}`]
      ? `total_${kind} cannot stand beside ${other}_${kind}`
      : null;
  });
}

function burstProblem(iotune: Iotune, scope: (typeof SCOPES)[number]): string | null {
  const missing = firstProblem(CLASSES, (kind) => {
    const needed = NEEDS[kind];
    return needed !== undefined && iotune[`${scope}_${kind}`] && !iotune[`${scope}_${needed}`]
      ? `${scope}_${kind} needs ${scope}_${needed}`
      : null;
  });
  return (
    missing ??
    firstProblem(['bytes_sec', 'iops_sec'] as const, (kind) => {
      const limit = `${scope}_${kind}` as const;
      const burst = iotune[`${limit}_max`] ?? 0;
      if (burst > 0 && burst < (iotune[limit] ?? 0)) return `${limit}_max cannot be lower than ${limit}`;
      return burst * (iotune[`${limit}_max_length`] ?? 0) > IOTUNE_MAX
        ? `${limit}_max_length is too long for ${limit}_max`
        : null;
    })
  );
}

function sizeProblem(iotune: Iotune): string | null {
  if (!iotune.size_iops_sec || SCOPES.some((scope) => iotune[`${scope}_iops_sec`])) return null;
  return 'size_iops_sec needs a limit of operations';
}

function groupProblem(iotune: Iotune): string | null {
  if (iotune.group_name === undefined) return null;
  if (!GROUP_NAME.test(iotune.group_name)) return 'group_name must be 1 to 128 printable characters';
  return IOTUNE_KEYS.some((key) => iotune[key]) ? null : 'group_name needs a limit to share';
}

function firstProblem<T>(items: readonly T[], problemOf: (item: T) => string | null): string | null {
  for (const item of items) {
    const problem = problemOf(item);
    if (problem !== null) return problem;
  }
  return null;
}

import { IOTUNE_KEYS, type Iotune, RATE_KEYS } from '#schema/iotune.ts';

export interface QosSpec {
  readonly consumer: 'front-end' | 'back-end' | 'both';
  readonly specs: Readonly<Record<string, string>>;
}

/**
 * The limits that a hypervisor sets on a volume of `sizeGib` under this spec. A back-end spec sets none.
 * Per-GiB keys win over the plain one and take the burst key `_max` as their cap, which is then no burst any more
 * (Cinder's "capacity based QoS" admin guide).
 */
export function resolveIotune(qos: QosSpec | null, sizeGib: number): Iotune {
  if (qos === null || qos.consumer === 'back-end') return {};
  const limits: Iotune = {};
  for (const key of IOTUNE_KEYS) {
    const value = qos.specs[key];
    if (value !== undefined) limits[key] = Number(value);
  }
  // Cinder's keys that grow with the volume: `<key>_per_gb`, floored by `<key>_per_gb_min`, capped by `<key>_max`.
  for (const key of RATE_KEYS) {
    const perGib = qos.specs[`${key}_per_gb`];
    if (perGib === undefined) continue;
    const floor = Number(qos.specs[`${key}_per_gb_min`] ?? 0);
    const cap = limits[`${key}_max`];
    const scaled = Math.max(Number(perGib) * sizeGib, floor);
    limits[key] = cap === undefined ? scaled : Math.min(scaled, cap);
    delete limits[`${key}_max`];
    delete limits[`${key}_max_length`];
  }
  const group = qos.specs['group_name'];
  return group === undefined ? limits : { ...limits, group_name: group };
}

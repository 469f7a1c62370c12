import { badRequest } from '#api/http/errors.ts';
import { type QosSpec, resolveIotune } from '#queues/qos/resolve.ts';
import { IOTUNE_KEYS, iotuneProblem } from '#schema/iotune.ts';

/** Every key whose value is a number: libvirt's, and Cinder's that grow with the volume. */
const NUMERIC: ReadonlySet<string> = new Set(
  IOTUNE_KEYS.flatMap((key) => [key, `${key}_per_gb`, `${key}_per_gb_min`]),
);

/**
 * Refuses limits that a hypervisor would refuse later, when a volume is attached. Keys that are no limit of libvirt's
 * pass, as in Cinder: a back end may know them.
 * @throws ApiError 400 with the reason.
 */
export function checkSpecs(spec: QosSpec): void {
  if (spec.consumer === 'back-end') return;
  for (const [key, value] of Object.entries(spec.specs)) {
    if (NUMERIC.has(key) && !/^[0-9]{1,16}$/.test(value)) {
      throw invalid(`${key} must be a whole number, not '${value}'`);
    }
  }
  const problem = iotuneProblem(resolveIotune(spec, 1));
  if (problem !== null) throw invalid(problem);
}

const invalid = (reason: string): Error => badRequest(`Invalid qos specs: ${reason}`);

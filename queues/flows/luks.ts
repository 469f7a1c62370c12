import type { Luks } from '#schema/luks.ts';
import { TaskError } from '#schema/tasks.ts';
import type { VolumeRow } from './facts.ts';

/**
 * What opens an encrypted volume, as tasks have it; nothing for one in clear.
 * @throws TaskError `refused` when its key is gone: whatever was written then would lie there in clear.
 */
export function luksOf({
  volume,
  luks,
}: {
  readonly volume: Pick<VolumeRow, 'encryption_key_id'>;
  readonly luks: Luks | null;
}): { readonly luks?: Luks } {
  if (luks !== null) return { luks };
  if (volume.encryption_key_id === null) return {};
  throw new TaskError('refused', 'the volume is encrypted, and its key is not there');
}

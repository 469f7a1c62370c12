import { isUuid } from '#schema/ids.ts';
import { TaskError } from '#schema/tasks.ts';

/**
 * The volume's name on disk and in target names, as Cinder has it: `volume-<id>`.
 * @throws TaskError `invalid` unless the id is a UUID, so that no id can leave the backend's own folder or group.
 */
export function volumeName(volumeId: string): string {
  if (!isUuid(volumeId)) throw new TaskError('invalid', 'a volume id must be a UUID');
  return `volume-${volumeId.toLowerCase()}`;
}

const NAME = /^volume-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

/** The volume id in such a name, or null for every other name. */
export function volumeIdOf(name: string): string | null {
  return NAME.exec(name)?.[1] ?? null;
}

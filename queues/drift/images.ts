import type { Finding } from './difference.ts';
import type { Rows } from './rows.ts';

/** A file of the image service. */
export interface ImageFile {
  readonly id: string;
  /** Null for whole data. */
  readonly token: string | null;
  readonly sizeBytes: number;
}

/** Compares images with their files; a file without an image goes by itself, as the api that keeps it tidies up. */
export function compareImages({ images }: Rows, files: readonly ImageFile[]): Finding[] {
  const whole = new Map(files.filter(({ token }) => token === null).map((file) => [file.id, file.sizeBytes]));
  return [...images.values()].flatMap((row): Finding[] => {
    if (row.status !== 'active' && row.status !== 'deactivated') return [];
    const size = whole.get(row.id);
    if (size !== undefined && size === (row.size ?? size)) return [];
    return [
      {
        kind: size === undefined ? 'image-missing' : 'image-size',
        subject: row.id,
        wanted: `image ${row.name ?? row.id} (${row.status}), ${row.size ?? 'any number of'} bytes`,
        found: size === undefined ? 'no data' : `${size} bytes`,
        repair: 'Put its data back (BLOCKYARD_IMAGE_DIR must be the same for all apis), or delete the image.',
        care: 'none',
      },
    ];
  });
}

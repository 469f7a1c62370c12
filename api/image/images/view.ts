import { sqlTimeToMs } from '#schema/clock.ts';
import type { ImageRow } from './rows.ts';

/** A user's own properties, and those that Cinder gives an image of an encrypted volume. */
export function propertiesOf({ properties, encryption_key_id: key }: ImageRow): Record<string, string> {
  return {
    ...(JSON.parse(properties) as Record<string, string>),
    ...(key !== null && {
      cinder_encryption_key_id: key,
      cinder_encryption_key_deletion_policy: 'on_image_deletion',
    }),
  };
}

/** Glance's view of an image; a user's own properties stand beside the others. */
export function imageView(row: ImageRow): Record<string, unknown> {
  return {
    ...propertiesOf(row),
    id: row.id,
    name: row.name,
    status: row.status,
    visibility: row.visibility,
    owner: row.project_id,
    container_format: row.container_format,
    disk_format: row.disk_format,
    size: row.size,
    virtual_size: row.virtual_size,
    min_disk: row.min_disk,
    min_ram: row.min_ram,
    protected: row.protected === 1,
    os_hidden: row.hidden === 1,
    checksum: row.checksum,
    os_hash_algo: row.os_hash_algo,
    os_hash_value: row.os_hash_value,
    tags: JSON.parse(row.tags) as string[],
    created_at: seconds(row.created_at),
    updated_at: seconds(row.updated_at),
    self: `/v2/images/${row.id}`,
    file: `/v2/images/${row.id}/file`,
    schema: '/v2/schemas/image',
  };
}

/** `2026-01-31T12:00:00Z`: Glance's times have no fraction. */
export function seconds(text: string): string {
  return `${new Date(sqlTimeToMs(text)).toISOString().slice(0, 19)}Z`;
}

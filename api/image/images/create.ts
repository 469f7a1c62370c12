import type { RequestContext } from '#api/http/context.ts';
import { conflict } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { isDuplicateKey } from '#queues/database.ts';
import { sqlTime } from '#schema/clock.ts';
import { asId, type ImageId } from '#schema/ids.ts';
import { columnsOf, type Draft, set } from './fields.ts';
import type { ImageRow } from './rows.ts';
import type { NewImage } from './schema.ts';
import { imageView } from './view.ts';

export async function createImage(context: RequestContext, { id, ...fields }: NewImage): Promise<Reply> {
  const draft = newDraft(context);
  for (const [name, value] of Object.entries(fields)) {
    // A client that leaves a property empty means that there is none.
    if (value !== null) set(context, draft, name, value);
  }
  const row = newImage(context, draft, id?.toLowerCase() ?? context.app.ids.uuid());
  try {
    await context.app.db.insertInto('images').values(row).execute();
  } catch (error) {
    throw isDuplicateKey(error) ? conflict(`Image ID ${row.id} already exists!`) : error;
  }
  return {
    status: 201,
    body: imageView(row),
    headers: { Location: `${context.selfUrl}/images/${row.id}` },
  };
}

export function newDraft({ caller }: RequestContext): Draft {
  return {
    name: null,
    visibility: 'shared',
    container_format: null,
    disk_format: null,
    min_disk: 0,
    min_ram: 0,
    protected: false,
    os_hidden: false,
    tags: [],
    owner: caller.projectId,
    properties: new Map(),
  };
}

/** The row of an image that has no data yet. */
export function newImage({ app }: RequestContext, draft: Draft, id: string): ImageRow {
  const now = sqlTime(app.clock.now());
  return {
    ...columnsOf(draft),
    id: asId<ImageId>(id),
    status: 'queued',
    size: null,
    virtual_size: null,
    checksum: null,
    os_hash_algo: null,
    os_hash_value: null,
    upload: null,
    encryption_key_id: null,
    created_at: now,
    updated_at: now,
  };
}

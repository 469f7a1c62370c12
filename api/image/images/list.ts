import { CompiledQuery } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import { badRequest } from '#api/http/errors.ts';
import { after, type Condition, joined, ordered } from '#api/http/keyset.ts';
import { readPage, readSort } from '#api/http/pagination.ts';
import type { Reply } from '#api/http/route.ts';
import { readFilters, scope } from './filters.ts';
import { findImage, type ImageRow, noImage } from './rows.ts';
import { imageView } from './view.ts';

/** Glance's `limit_param_default`. */
const DEFAULT_LIMIT = '25';

const SORT_COLUMNS = {
  id: 'id',
  name: 'name',
  status: 'status',
  container_format: 'container_format',
  disk_format: 'disk_format',
  size: 'size',
  min_disk: 'min_disk',
  min_ram: 'min_ram',
  visibility: 'visibility',
  owner: 'project_id',
  created_at: 'created_at',
  updated_at: 'updated_at',
} as const satisfies Record<string, keyof ImageRow>;

type Column = (typeof SORT_COLUMNS)[keyof typeof SORT_COLUMNS];

export async function listImages(
  context: RequestContext,
  query: Readonly<Record<string, string>>,
): Promise<Reply> {
  const page = readPage({ ...query, limit: query['limit'] ?? DEFAULT_LIMIT });
  const sort = readSort<Column>(query, SORT_COLUMNS);
  const conditions: Condition[] = [...scope(context, query), ...readFilters(query)];
  if (page.marker !== undefined) conditions.push(after('i', await findMarker(context, page.marker), sort));
  const { where, values } = joined(conditions);
  const { rows } = await context.app.db.executeQuery<ImageRow>(
    CompiledQuery.raw(`SELECT i.* FROM images i ${where} ORDER BY ${ordered('i', sort)} LIMIT ?`, [
      ...values,
      page.limit,
    ]),
  );
  const last = rows.at(-1);
  return {
    status: 200,
    body: {
      images: rows.map(imageView),
      schema: '/v2/schemas/images',
      first: link(context, undefined),
      ...(last !== undefined && rows.length === page.limit && { next: link(context, last.id) }),
    },
  };
}

/** Glance's links begin at its root, and clients put that before them. */
function link({ rawQuery }: RequestContext, marker: string | undefined): string {
  const query = new URLSearchParams(rawQuery);
  query.delete('marker');
  if (marker !== undefined) query.set('marker', marker);
  const text = query.toString();
  return text === '' ? '/v2/images' : `/v2/images?${text}`;
}

function findMarker(context: RequestContext, marker: string): Promise<ImageRow> {
  return findImage(context, marker).catch(() => {
    throw badRequest(noImage(marker).message);
  });
}

import { CompiledQuery } from 'kysely';
import { joined } from '#api/http/keyset.ts';
import { newDraft, newImage } from '../images/create.ts';
import { set } from '../images/fields.ts';
import { readFilters, scope } from '../images/filters.ts';
import { findImage, type ImageRow } from '../images/rows.ts';
import { propertiesOf } from '../images/view.ts';
import type { ImageCatalog, ImageRecord } from './catalog.ts';

function toRecord(row: ImageRow): ImageRecord {
  return { ...row, properties: propertiesOf(row) };
}

/** Images in our own tables. */
export const localCatalog: ImageCatalog = {
  async find(context, id) {
    return toRecord(await findImage(context, id));
  },

  async named(context, name) {
    const { where, values } = joined([...scope(context, {}), ...readFilters({ name })]);
    const { rows } = await context.app.db.executeQuery<ImageRow>(
      CompiledQuery.raw(`SELECT i.* FROM images i ${where} LIMIT 2`, values),
    );
    return rows.map(toRecord);
  },

  async prepare(context, { properties, ...fields }) {
    const draft = newDraft(context);
    for (const [name, value] of [...Object.entries(fields), ...Object.entries(properties)]) {
      set(context, draft, name, value);
    }
    const row = newImage(context, draft, context.app.ids.uuid());
    return {
      id: row.id,
      write: (tx, key) => tx.later(tx.q.insertInto('images').values({ ...row, encryption_key_id: key })),
      discard: async () => undefined,
      watch: () => undefined,
    };
  },
};

import { newDraft, newImage } from '../images/create.ts';
import { set } from '../images/fields.ts';
import { findImage } from '../images/rows.ts';
import { propertiesOf } from '../images/view.ts';
import type { ImageCatalog } from './catalog.ts';

/** Images in our own tables. */
export const localCatalog: ImageCatalog = {
  async find(context, id) {
    const row = await findImage(context, id);
    return { ...row, properties: propertiesOf(row) };
  },

  async prepare(context, { properties, encrypted: _, ...fields }) {
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

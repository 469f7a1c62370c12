import { IMAGE_TRANSITIONS } from '#schema/states.ts';
import { DISK_FORMATS } from '#schema/tasks.ts';
import { CONTAINER_FORMATS, VISIBILITIES } from '../images/schema.ts';

const text = (description: string) => ({ type: 'string', description });
const orNull = (description: string, more: object = {}) => ({
  type: ['null', 'string'],
  description,
  ...more,
});
const ours = (type: string | string[], description: string) => ({ type, readOnly: true, description });

/** The JSON schema that Glance's own clients ask for before they change an image. */
export const IMAGE_SCHEMA = {
  name: 'image',
  properties: {
    id: text('Its identifier, a UUID'),
    name: orNull('A name for people', { maxLength: 255 }),
    status: { ...ours('string', 'Whether it has data'), enum: Object.keys(IMAGE_TRANSITIONS) },
    visibility: { type: 'string', description: 'Who may use it', enum: [...VISIBILITIES] },
    protected: { type: 'boolean', description: 'If true, it cannot be deleted' },
    os_hidden: { type: 'boolean', description: 'If true, lists leave it out' },
    owner: orNull('Its project', { maxLength: 255 }),
    container_format: orNull('What is around the disk', { enum: [null, ...CONTAINER_FORMATS] }),
    disk_format: orNull('What the disk is written in', { enum: [null, ...DISK_FORMATS] }),
    min_disk: { type: 'integer', description: 'GiB of disk needed to boot it' },
    min_ram: { type: 'integer', description: 'MiB of memory needed to boot it' },
    tags: { type: 'array', description: 'Words to find it by', items: { type: 'string', maxLength: 255 } },
    size: ours(['null', 'integer'], 'Bytes of data'),
    virtual_size: ours(['null', 'integer'], 'Bytes of the disk inside'),
    checksum: ours(['null', 'string'], 'MD5 of the data'),
    os_hash_algo: ours(['null', 'string'], 'How os_hash_value was computed'),
    os_hash_value: ours(['null', 'string'], 'Hash of the data'),
    created_at: ours('string', 'When it was made'),
    updated_at: ours('string', 'When it was last changed'),
    self: ours('string', 'Where it is'),
    file: ours('string', 'Where its data are'),
    schema: ours('string', 'Where this schema is'),
  },
  additionalProperties: { type: 'string' },
  links: [
    { rel: 'self', href: '{self}' },
    { rel: 'enclosure', href: '{file}' },
    { rel: 'describedby', href: '{schema}' },
  ],
} as const;

export const IMAGES_SCHEMA = {
  name: 'images',
  properties: {
    images: { type: 'array', items: IMAGE_SCHEMA },
    schema: { type: 'string' },
    first: { type: 'string' },
    next: { type: 'string' },
  },
  links: [
    { rel: 'first', href: '{first}' },
    { rel: 'next', href: '{next}' },
    { rel: 'describedby', href: '{schema}' },
  ],
} as const;

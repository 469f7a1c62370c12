import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Method } from '#api/http/route.ts';
import { type Answer, startApi, type TestApi } from './support/api.ts';
import { type Seed, seed } from './support/fuzz/seed.ts';

type Service = 'call' | 'compute' | 'image';

/** Where a user's text ends up in the database: the request that brings it there, and where its answer shows it again. */
interface Place {
  readonly name: string;
  readonly service: Service;
  readonly method: Method;
  readonly path: string;
  readonly body: (text: string, ids: Seed) => unknown;
  readonly shown?: (answer: Answer['body']) => unknown;
}

const PATCH = { 'Content-Type': 'application/openstack-images-v2.1-json-patch' };
const flavor = () => ({ name: randomUUID(), vcpus: 1, ram: 64, disk: 0 });

const PLACES: readonly Place[] = [
  ...(['name', 'description'] as const).flatMap((field): Place[] => [
    {
      name: `a volume's ${field}`,
      service: 'call',
      method: 'POST',
      path: '/volumes',
      body: (text) => ({ volume: { size: 1, [field]: text } }),
      shown: ({ volume }) => volume[field],
    },
    {
      name: `a volume's new ${field}`,
      service: 'call',
      method: 'PUT',
      path: '/volumes/@volume0',
      body: (text) => ({ volume: { [field]: text } }),
      shown: ({ volume }) => volume[field],
    },
    {
      name: `a snapshot's ${field}`,
      service: 'call',
      method: 'PUT',
      path: '/snapshots/@snapshot0',
      body: (text) => ({ snapshot: { [field]: text } }),
      shown: ({ snapshot }) => snapshot[field],
    },
    {
      name: `a type's ${field}`,
      service: 'call',
      method: 'PUT',
      path: '/types/@type',
      body: (text) => ({ volume_type: { [field]: text } }),
      shown: ({ volume_type: type }) => type[field],
    },
  ]),
  {
    name: "a volume's metadata",
    service: 'call',
    method: 'POST',
    path: '/volumes/@volume0/metadata',
    body: (text) => ({ metadata: { key: text } }),
    shown: ({ metadata }) => metadata.key,
  },
  {
    name: "a volume's image metadata",
    service: 'call',
    method: 'POST',
    path: '/volumes/@volume0/action',
    body: (text) => ({ 'os-set_image_metadata': { metadata: { key: text } } }),
    shown: ({ metadata }) => metadata.key,
  },
  {
    name: "a volume's zone",
    service: 'call',
    method: 'POST',
    path: '/volumes',
    body: (text) => ({ volume: { size: 1, availability_zone: text } }),
  },
  {
    name: "a type's extra spec",
    service: 'call',
    method: 'POST',
    path: '/types/@type/extra_specs',
    body: (text) => ({ extra_specs: { key: text } }),
    shown: ({ extra_specs: specs }) => specs.key,
  },
  {
    name: "QoS specs' name",
    service: 'call',
    method: 'POST',
    path: '/qos-specs',
    body: (text) => ({ qos_specs: { name: text } }),
    shown: ({ qos_specs: specs }) => specs.name,
  },
  {
    name: 'why a service is disabled',
    service: 'call',
    method: 'PUT',
    path: '/os-services/disable-log-reason',
    body: (text) => ({ host: 'comp1', binary: 'nova-compute', disabled_reason: text }),
    shown: ({ disabled_reason: reason }) => reason,
  },
  {
    name: "a connector's host",
    service: 'call',
    method: 'POST',
    path: '/attachments',
    body: (text, ids) => ({
      attachment: { volume_uuid: ids['@volume2'], connector: { host: text, initiator: 'iqn.2010-10.x:y' } },
    }),
  },
  {
    name: "an image's name",
    service: 'image',
    method: 'POST',
    path: '/images',
    body: (text) => ({ name: text }),
    shown: ({ name }) => name,
  },
  {
    name: "an image's tag",
    service: 'image',
    method: 'PATCH',
    path: '/images/@image1',
    body: (text) => [{ op: 'replace', path: '/tags', value: [text] }],
    shown: ({ tags }) => tags[0],
  },
  {
    name: "an image's property",
    service: 'image',
    method: 'PATCH',
    path: '/images/@image1',
    body: (text) => [{ op: 'add', path: '/key', value: text }],
    shown: ({ key }) => key,
  },
  {
    name: "an uploaded volume's name",
    service: 'call',
    method: 'POST',
    path: '/volumes/@volume0/action',
    body: (text) => ({ 'os-volume_upload_image': { image_name: text, force: true, disk_format: 'raw' } }),
  },
  {
    name: "a server's name",
    service: 'compute',
    method: 'PUT',
    path: '/servers/@own',
    body: (text) => ({ server: { name: text } }),
    shown: ({ server }) => server.name,
  },
  {
    name: "a server's metadata",
    service: 'compute',
    method: 'POST',
    path: '/servers',
    body: (text) => ({ server: { name: 'x', flavorRef: '1', metadata: { key: text } } }),
  },
  {
    name: "a flavor's name",
    service: 'compute',
    method: 'POST',
    path: '/flavors',
    body: (text) => ({ flavor: { ...flavor(), name: text } }),
    shown: ({ flavor: made }) => made.name,
  },
  {
    name: "a flavor's description",
    service: 'compute',
    method: 'POST',
    path: '/flavors',
    body: (text) => ({ flavor: { ...flavor(), description: text } }),
    shown: ({ flavor: made }) => made.description,
  },
  {
    name: "a flavor's extra spec",
    service: 'compute',
    method: 'POST',
    path: '/flavors/@flavor/os-extra_specs',
    body: (text) => ({ extra_specs: { key: text } }),
    shown: ({ extra_specs: specs }) => specs.key,
  },
];

/** What has more bytes, or fewer, than one that counts something else would think. */
const TEXTS: Readonly<Record<string, string>> = {
  '255 ASCII characters': 'x'.repeat(255),
  '256 ASCII characters': 'x'.repeat(256),
  '255 characters of four bytes': '😀'.repeat(255),
  '256 characters of four bytes': '😀'.repeat(256),
  '65,535 ASCII characters': 'x'.repeat(65_535),
  '65,536 ASCII characters': 'x'.repeat(65_536),
  '21,845 characters of three bytes': '漢'.repeat(21_845),
  '21,846 characters of three bytes': '漢'.repeat(21_846),
  '16,384 characters of four bytes': '😀'.repeat(16_384),
  'a NUL': 'a\0b',
  'a lone surrogate': 'a\ud83d',
};

describe('text at the limits of its column', () => {
  let api: TestApi;
  let ids: Seed;
  before(async () => {
    api = await startApi();
    ids = await seed(api);
  });
  after(() => api[Symbol.asyncDispose]());

  const send = async ({ service, method, path, body }: Place, text: string): Promise<Answer> =>
    await api[service](
      method,
      path.replaceAll(/@[a-z]+\d?/g, (mark) => ids[mark] ?? mark),
      {
        as: 'admin',
        body: body(text, ids),
        ...(method === 'PATCH' && { headers: PATCH }),
      },
    );

  for (const place of PLACES) {
    it(`${place.name} is kept as it came, or refused`, async () => {
      for (const [what, text] of Object.entries(TEXTS)) {
        const { status, body } = await send(place, text);
        assert.ok(status < 500, `${what}: ${status}`);
        if (status < 300 && place.shown !== undefined) assert.equal(place.shown(body), text, what);
        if (!text.isWellFormed()) assert.equal(status, 400, what);
      }
    });
  }

  it('255 characters are 255, whatever they are', async () => {
    const [fits, tooLong] = [TEXTS['255 characters of four bytes']!, TEXTS['256 characters of four bytes']!];
    for (const place of PLACES.filter(({ name, shown }) => name.endsWith('name') && shown !== undefined)) {
      const first = await send(place, `${fits.slice(0, -2)}𝄞`);
      assert.ok(first.status < 300, `${place.name}: ${JSON.stringify(first.body)}`);
      assert.equal((await send(place, tooLong)).status, 400, place.name);
    }
  });

  it("a flavor's description has 65,535 bytes at most", async () => {
    const place = PLACES.find(({ name }) => name === "a flavor's description")!;
    for (const [what, status] of [
      ['65,535 ASCII characters', 200],
      ['65,536 ASCII characters', 400],
      ['21,845 characters of three bytes', 200],
      ['21,846 characters of three bytes', 400],
      ['16,384 characters of four bytes', 400],
    ] as const) {
      assert.equal((await send(place, TEXTS[what]!)).status, status, what);
    }
  });

  it('names of servers and flavors are of characters that can be shown', async () => {
    for (const place of PLACES.filter(({ name }) => /^a (server|flavor)'s (name|description)$/.test(name)))
      assert.equal((await send(place, 'a\0b')).status, 400, place.name);
  });
});

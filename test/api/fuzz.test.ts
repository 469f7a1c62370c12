import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import * as fc from 'fast-check';
import { sql } from 'kysely';
import type { Route } from '#api/http/route.ts';
import { blockStorageRoutes, computeRoutes } from '#api/routes.ts';
import {
  checkAnswer,
  OTHER_PROJECT,
  PROJECT,
  startApi,
  type TestApi,
  TOKENS,
  type Who,
} from './support/api.ts';

/** Half of them carry bodies near to right, which get further in. */
const RUNS = 2_400;

const TABLES = [
  'volumes',
  'volume_types',
  'qos_specs',
  'attachments',
  'operations',
  'services',
  'servers',
] as const;

/** Text that has broken servers before. */
const nasty = fc.constantFrom(
  '',
  '\u0000',
  'a\u0000b',
  '\ud800',
  '__proto__',
  'constructor',
  'toString',
  '../../etc/passwd',
  "' OR 1=1 -- ",
  '%00',
  '😀'.repeat(300),
  'x'.repeat(256),
  'x'.repeat(70_000),
  'null',
  '-1',
  '0',
  '1e400',
  '9007199254740993',
  '2147483648',
  '99999999999999999999999999',
  'NaN',
  'İı',
  '\u202e',
  'é'.normalize('NFD'),
);
const text = fc.oneof(nasty, fc.string({ unit: 'binary', maxLength: 40 }), fc.string({ maxLength: 40 }));

const json = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  text,
  fc.double(),
  fc.constantFrom(1e308, -0, 2 ** 53, 2 ** 31, -1, 0, 1.5, [], {}, [[[]]], null, true, 'true'),
  fc.record({ ['__proto__']: fc.jsonValue(), constructor: fc.jsonValue() }, { noNullPrototype: true }),
);

/** Words that bodies and queries of this API use. */
const word = fc.constantFrom(
  ...(
    'volume attachment volume_type qos_specs metadata meta extra_specs keys host name size ' +
    'description volume_uuid connector initiator mode instance_uuid binary os-extend ' +
    'os-reset_status os-force_delete os-complete new_size status volumeAttachment volumeId ' +
    'device consumer total_iops_sec read_iops_sec is_public imageRef multiattach'
  ).split(' '),
);
const queryName = fc.oneof(
  fc.constantFrom(
    ...(
      'limit marker offset sort sort_key sort_dir name status metadata bootable all_tenants ' +
      'with_count size created_at updated_at name~ id host is_public volume_id state detail ' +
      'volume_type force vol_type_id usage project_id cascade'
    ).split(' '),
  ),
  text,
);

describe('any request', () => {
  let api: TestApi;
  let ids: string[];
  before(async () => {
    api = await startApi();
    ids = await seed(api);
  });
  after(() => api[Symbol.asyncDispose]());

  it(`gets an answer in the right shape and changes nothing it should not (${RUNS} requests)`, async function () {
    this.timeout(180_000);
    const routes = [
      ...blockStorageRoutes.map((route) => ({ route, prefix: `/v3/${PROJECT}` })),
      ...computeRoutes.map((route) => ({ route, prefix: '/compute/v2.1' })),
    ];
    const id = fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...ids) }, { weight: 1, arbitrary: text });
    const body = fc.oneof(
      { weight: 3, arbitrary: fc.record({ known: likely(ids), extra: fc.option(fc.tuple(word, json)) }) },
      { weight: 1, arbitrary: fc.record({ raw: fc.oneof(json, fc.string({ unit: 'binary' })) }) },
    );
    const request = fc.record({
      target: fc.nat({ max: routes.length - 1 }),
      params: fc.array(id, { minLength: 3, maxLength: 3 }),
      query: fc.array(fc.tuple(queryName, text), { maxLength: 3 }),
      body,
      type: fc.oneof(
        { weight: 8, arbitrary: fc.constant('application/json') },
        { weight: 1, arbitrary: fc.constantFrom('text/plain', 'application/json; charset=utf-16', ';;;') },
      ),
      version: fc.oneof(
        { weight: 4, arbitrary: fc.integer({ min: 0, max: 71 }).map((minor) => `volume 3.${minor}`) },
        {
          weight: 1,
          arbitrary: fc.constantFrom('volume latest', 'volume', 'volume 4.0', 'compute 2.1', 'x', ''),
        },
      ),
      who: fc.constantFrom<Who[]>('admin', 'member', 'reader', 'stranger'),
    });
    await fc.assert(
      fc.asyncProperty(request, async (drawn) => {
        const { route, prefix } = routes[drawn.target] ?? assert.fail();
        const path = `${prefix}${fillPath(route, drawn.params)}${queryOf(drawn.query)}`;
        const sent = bodyOf(route, drawn.body);
        const [before, others] = [await dump(api), await dump(api, OTHER_PROJECT)];
        const response = await fetch(`${api.url}${path}`, {
          method: route.method,
          redirect: 'manual',
          headers: {
            'X-Auth-Token': TOKENS[drawn.who],
            'OpenStack-API-Version': drawn.version,
            ...(sent !== null && { 'Content-Type': drawn.type }),
          },
          body: sent,
        });
        const answered = await response.text();
        const answer = {
          status: response.status,
          headers: response.headers,
          body: answered === '' ? undefined : (JSON.parse(answered) as unknown),
        };
        checkAnswer(route.method, path, answer, parsed(sent));
        assert.deepEqual(api.log, []);
        if (response.status >= 400) assert.deepEqual(await dump(api), before);
        const mayTouch = drawn.who === 'admin' || drawn.who === 'stranger';
        if (!mayTouch) assert.deepEqual(await dump(api, OTHER_PROJECT), others);
      }),
      { numRuns: RUNS, interruptAfterTimeLimit: 170_000, markInterruptAsFailure: true },
    );
  });

  it('what is not even HTTP gets a 4xx too', async () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 400 }).map((array) => Buffer.from(array)),
      fc
        .tuple(fc.string({ unit: 'binary', maxLength: 60 }), fc.string({ unit: 'binary', maxLength: 60 }))
        .map(([path, header]) => Buffer.from(`GET /${path} HTTP/1.1\r\nHost: x\r\n${header}\r\n\r\n`)),
      fc.constant(Buffer.from(`GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`)),
    );
    await fc.assert(
      fc.asyncProperty(bytes, async (sent) => {
        const answer = await exchange(new URL(api.url), sent);
        const status = /^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1];
        if (status !== undefined) assert.match(status, /^[234]/, answer);
      }),
      { numRuns: 150 },
    );
    assert.deepEqual(api.log, []);
  });
});

/** Volumes, types and the like of two projects, and the ids of the first's. */
async function seed(api: TestApi): Promise<string[]> {
  const make = async (as: 'member' | 'stranger', status: 'available' | 'error' | 'in-use') => {
    const { body } = await api.call('POST', '/volumes', {
      as,
      body: { volume: { size: 1, metadata: { key: 'value' } } },
    });
    const id: string = body.volume.id;
    await api.db
      .updateTable('volumes')
      .set({ status })
      .where('id', '=', id as never)
      .execute();
    return id;
  };
  const volumes = [
    await make('member', 'available'),
    await make('member', 'available'),
    await make('member', 'error'),
    await make('member', 'in-use'),
  ];
  const foreign = await make('stranger', 'available');
  const attachment = await api.call('POST', '/attachments', {
    body: { attachment: { volume_uuid: volumes[1] } },
  });
  const type = await api.call('POST', '/types', { as: 'admin', body: { volume_type: { name: 'gold' } } });
  const qos = await api.call('POST', '/qos-specs', { as: 'admin', body: { qos_specs: { name: 'fast' } } });
  return [
    ...volumes,
    foreign,
    attachment.body.attachment.id,
    type.body.volume_type.id,
    qos.body.qos_specs.id,
    randomUUID(),
    PROJECT,
    'key',
    'detail',
  ];
}

/** Bodies that are right, or nearly. */
function likely(ids: readonly string[]): fc.Arbitrary<Record<string, unknown>> {
  const id = fc.constantFrom(...ids);
  const value = fc.oneof(
    { weight: 2, arbitrary: fc.constantFrom('1', 'on', 'name', 5) },
    { weight: 1, arbitrary: json },
  );
  const map = fc.dictionary(fc.oneof(word, text), fc.oneof(fc.string({ maxLength: 5 }), json), {
    maxKeys: 4,
  });
  const connector = fc.option(
    fc.record(
      { initiator: fc.oneof(fc.constant('iqn.2010-10.org.x:y'), text), host: value },
      { requiredKeys: [] },
    ),
  );
  return fc.oneof(
    fc.record({
      volume: fc.record(
        {
          size: value,
          name: value,
          description: value,
          metadata: map,
          volume_type: value,
          availability_zone: value,
        },
        { requiredKeys: [] },
      ),
    }),
    fc.record({ metadata: map }),
    fc.record({ meta: map }),
    fc.record({ extra_specs: map }),
    fc.record({ keys: fc.array(fc.oneof(word, text), { maxLength: 3 }) }),
    fc.record({
      volume_type: fc.record({ name: value, description: value, extra_specs: map }, { requiredKeys: [] }),
    }),
    fc.record({
      qos_specs: fc.record(
        {
          name: value,
          consumer: fc.constantFrom('both', 'front-end', 'x'),
          total_iops_sec: value,
          read_iops_sec: value,
        },
        { requiredKeys: [] },
      ),
    }),
    // Without agents an export would be waited for: reservations only.
    fc.record({
      attachment: fc.record({ volume_uuid: id, instance_uuid: id }, { requiredKeys: ['volume_uuid'] }),
    }),
    fc.record({
      attachment: fc.record({ connector: connector.filter((item) => item?.initiator === undefined) }),
    }),
    fc.record({ 'os-extend': fc.record({ new_size: value }) }),
    fc.record({
      'os-reset_status': fc.record({ status: fc.oneof(fc.constantFrom('available', 'error'), json) }),
    }),
    fc.constant({ 'os-force_delete': {} }),
    fc.constant({ 'os-complete': {} }),
    fc.record({
      volumeAttachment: fc.record({ volumeId: id, device: value }, { requiredKeys: ['volumeId'] }),
    }),
    fc.record({ host: value, binary: value, disabled_reason: value }, { requiredKeys: ['host'] }),
    map,
  );
}

function fillPath(route: Route, params: readonly string[]): string {
  let next = 0;
  return route.path.replaceAll(/\{[^}]+\}/g, () => {
    const param = params[next++] ?? '';
    // Half of the odd ones go out raw, as far as a URL can carry them.
    if (param.includes('%') || !param.isWellFormed())
      return param.replaceAll(/[^\x21-\x7e]|[?#\\]/g, '%ff') || 'x';
    return encodeURIComponent(param).replaceAll('.', '%2E') || 'x';
  });
}

function queryOf(pairs: readonly (readonly [string, string])[]): string {
  if (pairs.length === 0) return '';
  const encode = (part: string) => encodeURIComponent(part.toWellFormed().slice(0, 400));
  return `?${pairs.map(([name, value]) => `${encode(name)}=${encode(value)}`).join('&')}`;
}

type DrawnBody =
  | { readonly known: Record<string, unknown>; readonly extra: [string, unknown] | null }
  | { readonly raw: unknown };

function bodyOf(route: Route, drawn: DrawnBody): string | null {
  if (route.method === 'GET' || route.method === 'DELETE') return null;
  if ('raw' in drawn) return typeof drawn.raw === 'string' ? drawn.raw : JSON.stringify(drawn.raw);
  const { known, extra } = drawn;
  return JSON.stringify(extra === null ? known : { ...known, [extra[0]]: extra[1] });
}

function parsed(sent: string | null): unknown {
  try {
    return sent === null ? undefined : JSON.parse(sent);
  } catch {
    return undefined;
  }
}

/** Everything in the database, or what of it belongs to one project. */
async function dump(api: TestApi, project?: string): Promise<string> {
  const scoped = ['volumes', 'attachments', 'operations'] as const;
  const tables = project === undefined ? TABLES : scoped;
  const rows = await Promise.all(
    tables.map(async (table) => {
      const where = project === undefined ? sql`` : sql`WHERE project_id = ${project}`;
      return (await sql`SELECT * FROM ${sql.table(table)} ${where} ORDER BY id`.execute(api.db)).rows;
    }),
  );
  return JSON.stringify(rows);
}

function exchange(url: URL, sent: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(Number(url.port), url.hostname, () => socket.end(sent));
    socket.setTimeout(5_000, () => socket.destroy());
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')));
    socket.on('error', reject);
  });
}

import assert from 'node:assert/strict';
import { randomBytes, randomInt } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { sql } from 'kysely';
import { agentQueue } from '#queues/names.ts';
import { agentKeys, createSecrets } from '#queues/secrets.ts';
import { asId } from '#schema/ids.ts';
import { virsh } from '#stack/demo/host.ts';
import { Collector } from '#test/e2e/observability/collector.ts';
import { SecretYard } from './yard.ts';

/** Where texts were found, and what they said. */
class Haystack {
  readonly #parts: { readonly where: string; readonly text: string }[] = [];

  add(where: string, text: string): void {
    this.#parts.push({ where, text });
  }

  /** Where any of the secrets stands, as it is or as it is usually written. */
  find(secrets: Readonly<Record<string, string>>): string[] {
    const forms = Object.entries(secrets).flatMap(([name, secret]) =>
      [
        secret,
        encodeURIComponent(secret),
        Buffer.from(secret).toString('base64').replace(/=+$/, ''),
        Buffer.from(secret).toString('base64url'),
        Buffer.from(secret).toString('hex'),
        ...(/^[0-9a-f]{64}$/.test(secret)
          ? [Buffer.from(secret, 'hex').toString('base64').slice(0, -1)]
          : []),
      ].map((form) => [name, form] as const),
    );
    return this.#parts.flatMap(({ where, text }) =>
      forms.filter(([, form]) => text.includes(form)).map(([name]) => `${name} in ${where}`),
    );
  }

  get size(): number {
    return this.#parts.reduce((sum, { text }) => sum + text.length, 0);
  }
  places(): Set<string> {
    return new Set(this.#parts.map(({ where }) => where.split(' ')[0] ?? ''));
  }
}

describe('planted secrets', function () {
  this.timeout(300_000);
  let dir: string;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'by-p-'));
  });
  after(async () => {
    await rm(dir, { recursive: true, force: true });
  });

  it('stand in no log, argument, answer, error, dashboard, timeline, trace, metric, document, queue or table', async () => {
    const master = randomBytes(32).toString('hex');
    const secrets: Record<string, string> = {
      'the master key': master,
      'the password of Redis': 'planted0redis0password',
      'the password of MySQL': 'planted0mysql0password',
      "the admin's token": 'planted0admin0token',
    };
    const state = {
      secretKey: master,
      redisPassword: secrets['the password of Redis'],
      databasePassword: secrets['the password of MySQL'],
      adminToken: secrets["the admin's token"],
      initiatorName: 'iqn.2026-01.org.blockyard:planted',
    };
    await mkdir(join(dir, 'run'), { recursive: true, mode: 0o700 });
    await writeFile(join(dir, 'run/stack.json'), JSON.stringify(state), { mode: 0o600 });

    const hay = new Haystack();
    // An address of its own: every process has its usual port there.
    const metrics = `127.${randomInt(1, 255)}.${randomInt(1, 255)}.${randomInt(2, 255)}`;
    await using collector = await Collector.start();
    await using yard = await SecretYard.start({
      runDir: join(dir, 'run'),
      log: (name, line) => hay.add(`log of ${name}`, line),
      env: { BLOCKYARD_METRICS_LISTEN: metrics, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url },
    });
    const { stack } = yard;
    const host = asId<never>(stack.env['BLOCKYARD_HOST']!);
    for (const kind of ['storage', 'compute'] as const) {
      const pid = stack.processes.get(kind)!.pid!;
      const environ = await readFile(`/proc/${pid}/environ`, 'utf8');
      secrets[`the ${kind} agent's password`] = /(?<=^|\0)REDIS_URL=redis:\/\/[^:]*:([^@]*)@/.exec(
        environ,
      )![1]!;
      secrets[`the ${kind} agent's key`] = agentKeys(master, agentQueue(kind, host));
      assert.ok(environ.includes(secrets[`the ${kind} agent's key`]!));
      // Neither has what is not its own.
      for (const name of Object.keys(secrets).filter((each) => !each.includes(`${kind} agent`)))
        assert.ok(!environ.includes(secrets[name]!), `${kind} has ${name}`);
    }
    // A storage host's, which this stack gives to all.
    secrets['the password of backups'] = stack.env['BLOCKYARD_BACKUP_PASSWORD']!;

    using sampling = sampleArguments(hay);
    const learn = async (): Promise<void> => {
      const rows = await yard.db.selectFrom('attachments').select(['volume_id', 'chap_secret']).execute();
      for (const { volume_id, chap_secret } of rows)
        if (chap_secret !== null)
          secrets[`CHAP of ${volume_id}`] = createSecrets(master).decrypt(chap_secret, volume_id);
      const keyed = await yard.db
        .selectFrom('volumes')
        .innerJoin('encryption_keys', 'encryption_keys.id', 'volumes.encryption_key_id')
        .select(['volumes.id', 'encryption_keys.secret'])
        .execute();
      for (const { id, secret } of keyed)
        secrets[`passphrase of ${id}`] = createSecrets(master).decrypt(secret, id);
      await dumpRedis(stack.env['REDIS_URL']!, hay);
      await dumpMysql(yard, hay);
    };

    // The main job, from an image to a volume in a server and back.
    const image = JSON.parse(
      (await told(yard, hay, 'POST', '/image/v2/images', {
        disk_format: 'raw',
        container_format: 'bare',
        name: 'planted',
      })) ?? '',
    ) as { id: string };
    await fetch(`${stack.apiUrl}/image/v2/images/${image.id}/file`, {
      method: 'PUT',
      headers: { 'X-Auth-Token': stack.adminToken, 'content-type': 'application/octet-stream' },
      body: Buffer.alloc(1_048_576, 'data'),
    });
    const [first, second] = [await yard.volume({ imageRef: image.id }), await yard.volume()];
    await yard.attach(first);
    // An encrypted one, and its backup.
    const type = JSON.parse(
      (await told(yard, hay, 'POST', '/v3/types', { volume_type: { name: 'sealed' } })) ?? '',
    ) as { volume_type: { id: string } };
    await told(yard, hay, 'POST', `/v3/types/${type.volume_type.id}/encryption`, {
      encryption: {
        provider: 'luks',
        cipher: 'aes-xts-plain64',
        key_size: 256,
        control_location: 'front-end',
      },
    });
    const sealed = await yard.volume({ volume_type: 'sealed' });
    await told(yard, hay, 'POST', '/v3/backups', { backup: { volume_id: sealed } });
    await yard.until('it is backed up', async () => {
      const rows = await yard.db.selectFrom('backups').select(['status', 'fail_reason']).execute();
      assert.ok(
        rows.every(({ status }) => status !== 'error'),
        JSON.stringify(rows),
      );
      return rows.some(({ status }) => status === 'available');
    });
    await yard.becomes(sealed, 'available');
    await yard.attach(sealed);
    await learn();
    hay.add('libvirt domain', await virsh(stack.env, 'dumpxml', yard.server, '--inactive'));
    const listed = await virsh(stack.env, 'secret-list');
    const uuids = [...listed.matchAll(/^ *([0-9a-f-]{36})/gm)].map(([, uuid = '']) => uuid);
    assert.ok(uuids.length > 0);
    for (const uuid of uuids) hay.add('libvirt secret', await virsh(stack.env, 'secret-dumpxml', uuid));

    // One that fails where the agent has the secret in hand: the device is taken.
    const refused = await yard.attachRequest(second, '/dev/vda');
    hay.add('answer of a refused attachment', refused.text);
    await yard.until('the account of the failing attachment was seen or it is over', async () => {
      await learn();
      const row = await yard.db
        .selectFrom('volumes')
        .select(['status', 'operation_id'])
        .where('id', '=', second)
        .executeTakeFirst();
      return row?.operation_id === null;
    });
    // And one where the target is not there any more.
    await stack.servers.tgtd!.stop();
    await yard.attachRequest(second);
    await learn();
    await sleep(500);
    await learn();
    await yard.until('it has been given up', async () => {
      const row = await yard.db
        .selectFrom('volumes')
        .select(['status', 'operation_id'])
        .where('id', '=', second)
        .executeTakeFirst();
      return row?.operation_id === null || row?.status === 'attaching';
    });

    // What the API tells of all this.
    const { operations } = JSON.parse((await told(yard, hay, 'GET', '/v3/operations?limit=100'))!) as {
      operations: { id: string }[];
    };
    assert.ok(operations.length >= 4);
    for (const { id } of operations) await told(yard, hay, 'GET', `/v3/operations/${id}`);
    for (const path of [
      '/v3/volumes/detail',
      '/v3/attachments/detail',
      `/v3/volumes/${first}`,
      '/v3/volumes/no-such',
      '/v3/messages',
      '/v3/os-services',
      '/v3/scheduler-stats/get_pools?detail=true',
      `/compute/v2.1/servers/${yard.server}/os-volume_attachments`,
      '/compute/v2.1/servers/detail',
      '/image/v2/images',
      '/openapi.json',
      '/dashboard/',
      '/dashboard/api/queues',
      '/nowhere',
    ])
      await told(yard, hay, 'GET', path);
    for (const body of ['{', '{"volume":{"size":"x"}}', '[]'])
      hay.add('answer to nonsense', await raw(yard, '/v3/volumes', body, stack.adminToken));
    hay.add('answer to a wrong token', await raw(yard, '/v3/volumes', '{}', 'wrong-token'));
    for (const queue of [agentQueue('storage', host), agentQueue('compute', host), 'operations'])
      await told(
        yard,
        hay,
        'GET',
        `/dashboard/api/queues?activeQueue=${queue}&status=latest&page=1&jobsPerPage=50`,
      );
    for (const port of [9876, 9877, 9878, 9879]) {
      for (const path of ['metrics', 'healthz', 'readyz']) {
        const answer = await fetch(`http://${metrics}:${port}/${path}`);
        hay.add(`metric ${port}/${path}`, await answer.text());
      }
    }
    // Errors while MySQL or Redis is away.
    await stack.servers.crashRedis(async () => {
      await told(yard, hay, 'GET', '/v3/volumes/detail');
      await told(yard, hay, 'POST', '/v3/volumes', { volume: { size: 1 } });
      await told(yard, hay, 'GET', '/dashboard/');
    });
    process.kill(stack.servers.mariadb!.pid, 'SIGKILL');
    await sleep(300);
    await told(yard, hay, 'GET', '/v3/volumes/detail');
    sampling[Symbol.dispose]();
    await readLogs(stack.runDir, hay);
    hay.add('trace', collector.text);
    for (const door of ['tgtd', 'virsh', 'qemu-img', 'restic'])
      assert.ok(collector.text.includes(door), `no trace of ${door}`);

    assert.ok(
      Object.keys(secrets).filter((name) => name.startsWith('CHAP')).length >= 2,
      'no CHAP secret was seen',
    );
    assert.ok(`passphrase of ${sealed}` in secrets);
    for (const place of ['log', 'argv', 'answer', 'metric', 'libvirt', 'redis', 'mysql', 'file', 'trace'])
      assert.ok(hay.places().has(place), `nothing of ${place}`);
    assert.ok(hay.size > 100_000);
    assert.deepEqual([...new Set(hay.find(secrets))], []);
    // The search itself: each secret is found where it is planted, also in its other forms.
    for (const [name, secret] of Object.entries(secrets)) {
      for (const form of [secret, Buffer.from(secret).toString('base64'), encodeURIComponent(secret)]) {
        const planted = new Haystack();
        planted.add('here', `before ${form} after`);
        assert.deepEqual([...new Set(planted.find(secrets))], [`${name} in here`]);
      }
    }
  });
});

/** Asks the API, and keeps what it answers, headers too. */
async function told(
  yard: SecretYard,
  hay: Haystack,
  method: string,
  path: string,
  body?: object,
): Promise<string | undefined> {
  const response = await fetch(`${yard.stack.apiUrl}${path}`, {
    method,
    headers: {
      'X-Auth-Token': yard.stack.adminToken,
      'OpenStack-API-Version': 'volume 3.67',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const answer = await response.text();
  hay.add(`answer to ${method} ${path}`, JSON.stringify([...response.headers]) + answer);
  return answer;
}

async function raw(yard: SecretYard, path: string, body: string, token: string): Promise<string> {
  const headers = { 'X-Auth-Token': token, 'content-type': 'application/json' };
  const response = await fetch(`${yard.stack.apiUrl}${path}`, { method: 'POST', headers, body });
  return response.text();
}

/** Every process's arguments, over and over: those of programs that live for milliseconds too, if luck will have it. */
function sampleArguments(hay: Haystack): Disposable {
  const seen = new Set<string>();
  const stopped = new AbortController();
  void (async () => {
    while (!stopped.signal.aborted) {
      for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
        const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
        if (text === '' || seen.has(text)) continue;
        seen.add(text);
        hay.add('argv sampled', text.replaceAll('\0', ' '));
      }
      await sleep(30);
    }
  })();
  return { [Symbol.dispose]: () => stopped.abort() };
}

/** All keys, whatever they hold. */
async function dumpRedis(url: string, hay: Haystack): Promise<void> {
  const redis = new Redis(url);
  try {
    for (const key of await redis.keys('*')) {
      const type = await redis.type(key);
      const value =
        type === 'hash'
          ? await redis.hgetall(key)
          : type === 'list'
            ? await redis.lrange(key, 0, -1)
            : type === 'set'
              ? await redis.smembers(key)
              : type === 'zset'
                ? await redis.zrange(key, '0', '-1')
                : type === 'stream'
                  ? await redis.xrange(key, '-', '+')
                  : await redis.get(key);
      hay.add(`redis ${key}`, `${key} ${JSON.stringify(value)}`);
    }
    hay.add('redis accounts', (await redis.acl('LIST')).join('\n'));
  } finally {
    redis.disconnect();
  }
}

/** All rows of all tables. */
async function dumpMysql({ db }: SecretYard, hay: Haystack): Promise<void> {
  const { rows } = await sql<{ name: string }>`
    SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()`.execute(db);
  for (const { name } of rows) {
    const { rows: all } = await sql`SELECT * FROM ${sql.table(name)}`.execute(db);
    hay.add(`mysql ${name}`, JSON.stringify(all));
  }
}

/** Logs of servers, and what agents leave lying about. Their settings and libvirt's own store are not for reading. */
async function readLogs(runDir: string, hay: Haystack): Promise<void> {
  for (const entry of await readdir(runDir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !/\.(?:log|json|xml|aof|journal)$/.test(entry.name) || entry.name === 'stack.json')
      continue;
    if (entry.name === 'tokens.json') continue;
    const path = join(entry.parentPath, entry.name);
    hay.add(`file ${path.slice(runDir.length)}`, await readFile(path, 'latin1').catch(() => ''));
  }
}

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemRunner } from '#agent/run.ts';
import { type Stack, startStack } from '#stack/environment.ts';
import { Authority } from '#test/support/authority.ts';
import { S3Server } from '#test/support/s3/server.ts';

const MIB = 1024 ** 2;
const SECRET = 'planted-s3-secret-key';
const CHANGED = 'planted-s3-other-key';
const BUCKET = 'backups';

interface Backup {
  readonly id: string;
  readonly status: string;
  readonly fail_reason: string | null;
}

/** restic against a real S3 server with an authority of its own, through the API, conductor and agent. */
describe('backups to S3', function () {
  this.timeout(600_000);
  let dir: string;
  let authority: Authority;
  let s3: S3Server;
  let stack: Stack;
  const said: string[] = [];
  let volume: string;
  let full: string;
  let increment: string;
  let first: string;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'by-s3-'));
    authority = await Authority.create();
    const ca = await readFile(authority.ca, 'utf8');
    s3 = await S3Server.start(join(dir, 's3'), await authority.issue(), ca, SECRET);
    stack = await startStack({
      runDir: join(dir, 'run'),
      only: ['api', 'conductor', 'storage'],
      target: 'none',
      hypervisor: 'noop',
      log: (name, line) => said.push(`${name}: ${line}`),
      env: {
        BLOCKYARD_BACKUP_REPOSITORY: `s3:${s3.url}/${BUCKET}/yard`,
        BLOCKYARD_BACKUP_CA: authority.ca,
        AWS_ACCESS_KEY_ID: s3.accessKey,
        AWS_SECRET_ACCESS_KEY: SECRET,
      },
    });
    await until('there is a backup service', backupService);
    const made = await call('POST', '/volumes', { volume: { size: 1, name: 'kept' } });
    ({ id: volume } = made['volume'] as { id: string });
    await until('the volume is there', async () => (await statusOf(volume)) === 'available');
  });
  after(async () => {
    await stack?.stop();
    await s3?.[Symbol.asyncDispose]();
    await authority?.[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  });

  async function call(method: string, path: string, body?: object): Promise<Record<string, unknown>> {
    const response = await fetch(`${stack.apiUrl}/v3/${stack.project}${path}`, {
      method,
      headers: {
        'x-auth-token': stack.adminToken,
        'content-type': 'application/json',
        'openstack-api-version': 'volume 3.70',
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    said.push(`${method} ${path}: ${text}`);
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
  }

  async function until(what: string, holds: () => Promise<boolean>, withinMs = 240_000): Promise<void> {
    const deadline = performance.now() + withinMs;
    while (!(await holds().catch(() => false))) {
      assert.ok(
        performance.now() < deadline,
        `${what}: not in time\n${said
          .filter((line) => !line.startsWith('GET'))
          .slice(-15)
          .join('\n')}`,
      );
      await sleep(100);
    }
  }

  const backupService = async (): Promise<boolean> => {
    const { services } = (await call('GET', '/os-services')) as { services: { binary: string }[] };
    return services.some(({ binary }) => binary === 'cinder-backup');
  };
  const statusOf = async (id: string): Promise<string> =>
    ((await call('GET', `/volumes/${id}`))['volume'] as { status: string }).status;
  const fileOf = (id: string): string => join(stack.runDir, 'volumes', `volume-${id}`);
  const show = async (id: string): Promise<Backup> =>
    (await call('GET', `/backups/${id}`))['backup'] as Backup;
  const gone = (id: string) =>
    until('the backup is gone', async () =>
      show(id).then(
        () => false,
        (error: Error) => error.message.includes(': 404 '),
      ),
    );

  async function write(at: number): Promise<string> {
    await using file = await open(fileOf(volume), 'r+');
    await file.write(randomBytes(4 * MIB), 0, 4 * MIB, at);
    const copy = join(dir, `copy-${at}`);
    await systemRunner.run('cp', ['--sparse=always', fileOf(volume), copy], { timeoutMs: 60_000 });
    return copy;
  }

  /** @returns its id, when it has come to an end. */
  async function backUp(incremental: boolean): Promise<Backup> {
    const made = await call('POST', '/backups', { backup: { volume_id: volume, incremental } });
    const { id } = made['backup'] as Backup;
    await until('the backup has ended', async () => (await show(id)).status !== 'creating');
    return show(id);
  }

  /** To a new volume. @returns its status when that has come to an end, and its data */
  async function restore(backup: string): Promise<{ readonly status: string; readonly file: string }> {
    const { restore: begun } = (await call('POST', `/backups/${backup}/restore`, { restore: {} })) as {
      restore: { volume_id: string };
    };
    let status = '';
    await until('it is restored', async () => {
      status = await statusOf(begun.volume_id);
      return status === 'available' || status.startsWith('error');
    });
    return { status, file: fileOf(begun.volume_id) };
  }

  async function restored(backup: string): Promise<string> {
    const { status, file } = await restore(backup);
    assert.equal(status, 'available');
    return file;
  }

  const assertSame = (one: string, other: string) =>
    systemRunner.run('cmp', [one, other], { timeoutMs: 60_000 });

  it('keep a volume and what has changed since, and give it back byte for byte', async () => {
    using secrets = sampleArguments();
    first = await write(5 * MIB);
    const whole = await backUp(false);
    assert.equal(whole.status, 'available');
    full = whole.id;
    const before = await s3.bytesIn(BUCKET, SECRET);
    assert.ok(before > 4 * MIB && before < 8 * MIB, `${before} bytes for 4 MiB`);
    const second = await write(500 * MIB);
    const more = await backUp(true);
    assert.equal(more.status, 'available');
    increment = more.id;
    const added = (await s3.bytesIn(BUCKET, SECRET)) - before;
    assert.ok(added > 4 * MIB && added < 12 * MIB, `${added} bytes for 4 MiB of change`);
    await assertSame(await restored(increment), second);
    assert.ok(secrets.sawRestic());
  });

  it('give room back when they go', async () => {
    const before = await s3.bytesIn(BUCKET, SECRET);
    await call('DELETE', `/backups/${increment}`);
    await gone(increment);
    assert.ok((await s3.bytesIn(BUCKET, SECRET)) < before - 3 * MIB);
    assert.equal((await show(full)).status, 'available');
  });

  it('end in error with the reason when the account is refused, and can be deleted', async () => {
    await s3.setSecret(CHANGED);
    const { id, status, fail_reason } = await backUp(false);
    assert.equal(status, 'error');
    assert.match(fail_reason ?? '', /refuses AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of this host/);
    assert.equal(await statusOf(volume), 'available');
    await stack.processes.get('storage')!.restart();
    await until('the agent says why it makes none', async () =>
      said.some((line) => /^storage: .*no backups: .*refuses AWS_ACCESS_KEY_ID/.test(line)),
    );
    await s3.setSecret(SECRET);
    // Only a host that has told of its store is chosen for this.
    await until('the store is there again', async () => (await restore(full)).status === 'available');
    await call('DELETE', `/backups/${id}`);
    await gone(id);
  });

  it('end in error with the reason when the server is away, and can be deleted', async () => {
    await s3.away();
    const { id, status, fail_reason } = await backUp(false);
    assert.equal(status, 'error');
    assert.match(fail_reason ?? '', /the backup store cannot be reached: .*connection refused/);
    await s3.back();
    await call('DELETE', `/backups/${id}`);
    await gone(id);
    await assertSame(await restored(full), first);
  });

  it('say their secret nowhere', () => {
    assert.doesNotMatch(said.join('\n'), /planted/);
  });
});

/** Looks at everybody's arguments all the time. */
function sampleArguments(): Disposable & { sawRestic(): boolean } {
  let restic = false;
  let leaked: string | undefined;
  const timer = setInterval(() => {
    for (const entry of readdirSync('/proc').filter((name) => /^\d+$/.test(name)))
      try {
        const words = readFileSync(`/proc/${entry}/cmdline`, 'utf8');
        if (words.includes('restic\0')) restic = true;
        if (words.includes(SECRET)) leaked = words;
      } catch {
        // It has ended in between.
      }
  }, 50);
  return {
    sawRestic: () => restic,
    [Symbol.dispose]() {
      clearInterval(timer);
      assert.equal(leaked, undefined);
    },
  };
}

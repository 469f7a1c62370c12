import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { type Companion, systemCompanion } from '#agent/companion.ts';
import { systemRunner } from '#agent/run.ts';
import { openVirsh, type Virsh } from '#compute-agent/libvirt/virsh/virsh.ts';

// libvirt's built-in pretend hypervisor: the real virsh and its real parser, with no daemon.
const URI = 'test:///default';

describe('the door to virsh', function () {
  this.timeout(60_000);
  let dir: string;
  let virsh: Virsh;
  let companions: Companion[];

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'by-'));
    companions = [];
    virsh = openVirsh({
      uri: URI,
      dir,
      start: (...args) => {
        const companion = systemCompanion(...args);
        companions.push(companion);
        return companion;
      },
    });
  });
  afterEach(async () => {
    await virsh.stop();
    await rm(dir, { recursive: true });
  });

  it('gives the same answers as a virsh of its own for each command', async () => {
    for (const command of [
      ['dumpxml', 'test'],
      ['dominfo', 'test'],
      ['list', '--all', '--uuid', '--name'],
    ]) {
      const { stdout } = await systemRunner.run('virsh', ['--quiet', '--connect', URI, ...command]);
      // The clock goes on between the two.
      const still = (text: string): string => text.trimEnd().replace(/^CPU time:.*$/m, '');
      assert.equal(still(await virsh.run(command)), still(stdout));
    }
    assert.equal(virsh.spawns, 1);
  });

  it('passes any printable argument as it is', async () => {
    const argument = fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 400, size: 'max' });
    await fc.assert(
      fc.asyncProperty(fc.array(argument, { minLength: 1, maxLength: 4 }), async (words) => {
        assert.equal(await virsh.run(['echo', '--', ...words]), words.join(' '));
      }),
      { numRuns: 300 },
    );
    await assert.rejects(virsh.run(['echo', 'a\nlist']), { code: 'invalid' });
    await assert.rejects(virsh.run(['echo', 'tab\t']), { code: 'invalid' });
    assert.equal(virsh.spawns, 1);
  });

  it('hands a document over in a file that only its owner can read, and removes it', async () => {
    const xml = `<domain type='test'><name>é</name><memory>8</memory><os><type>hvm</type></os></domain>`;
    await virsh.run(['define'], { xml });
    assert.match(await virsh.run(['list', '--all', '--name']), /^é$/m);
    assert.deepEqual(await readdir(dir), []);
    await assert.rejects(virsh.run(['define'], { xml: '<nonsense/>' }), /nonsense/);
    assert.deepEqual(await readdir(dir), []);
  });

  it('runs a few commands side by side and the rest after them', async () => {
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, n) => virsh.run(['echo', `answer ${n}`])),
    );
    assert.deepEqual(
      answers,
      Array.from({ length: 40 }, (_, n) => `answer ${n}`),
    );
    assert.ok(virsh.spawns <= 4);
  });

  it('starts anew after virsh has died, with or without a command under way', async () => {
    await virsh.run(['version']);
    await companions[0]?.stop();
    assert.equal(await virsh.run(['echo', 'again']), 'again');
    await assert.rejects(virsh.run(['event', '--all', '--loop'], { timeoutMs: 200 }), {
      failure: 'disconnected',
      message: /did not answer within 200 ms/,
    });
    assert.equal(await virsh.run(['echo', 'again']), 'again');
    assert.equal(virsh.spawns, 3);
  });

  it('says so when libvirt cannot be reached', async () => {
    const other = openVirsh({
      uri: 'qemu+unix:///session?socket=/nonexistent/s',
      dir,
      start: systemCompanion,
    });
    await assert.rejects(other.run(['dominfo', 'x']), { failure: 'disconnected', message: /No such file/ });
    await other.stop();
  });

  it('keeps no history of its commands', async () => {
    await virsh.run(['echo', 'a-secret']);
    await assert.rejects(virsh.run(['quit']));
    await companions[0]?.ended;
    for (const file of await readdir(dir, { recursive: true, withFileTypes: true })) {
      if (file.isFile()) assert.equal(await readFile(join(file.parentPath, file.name), 'utf8'), '');
    }
  });
});

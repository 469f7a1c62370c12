import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseProcfile } from '#stack/procfile.ts';

const execute = promisify(execFile);
const TREE = join(import.meta.dirname, '../..');
const UNITS = join(TREE, 'packaging/systemd');
const DROP_INS = join(TREE, 'packaging/drop-ins');

/** Which unit each drop-in is for. */
const OF_DROP_IN: Readonly<Record<string, string>> = {
  'compute-libiscsi.conf': 'blockyard-compute.service',
  'storage-file-tgt.conf': 'blockyard-storage.service',
};

/** The most of systemd-analyze's exposure (0 to 10) that each may have. */
const EXPOSURE: Readonly<Record<string, number>> = {
  'blockyard-api.service': 1.5,
  'blockyard-conductor.service': 1.5,
  'blockyard-storage.service': 4,
  'blockyard-compute.service': 4,
  'compute-libiscsi.conf': 2,
  'storage-file-tgt.conf': 2,
};

/** Capabilities by unit: exactly these. */
const CAPABILITIES: Readonly<Record<string, string>> = {
  'blockyard-api.service': '',
  'blockyard-conductor.service': '',
  'blockyard-storage.service':
    'CAP_SYS_ADMIN CAP_SYS_RESOURCE CAP_IPC_LOCK CAP_DAC_OVERRIDE CAP_SYS_RAWIO CAP_MKNOD CAP_SYS_NICE',
  'blockyard-compute.service': 'CAP_SYS_ADMIN CAP_SYS_RESOURCE CAP_IPC_LOCK CAP_DAC_OVERRIDE CAP_SYS_PTRACE',
};

/** What systemd finds to say of the machine's other units, which it loads as well. */
const OF_ANOTHER_UNIT = /^(?!blockyard-)[\w@.\\-]+\.(?:service|socket|target|mount|slice): /;

describe('systemd units', () => {
  let folder: string;
  before(async function () {
    const version = await execute('systemd-analyze', ['--version']).catch(() => undefined);
    if (version === undefined) {
      console.log('      systemd-analyze is not installed: the units are not checked');
      this.skip();
    }
    folder = await mkdtemp(join(tmpdir(), 'blockyard-units-'));
  });
  after(() => (folder === undefined ? undefined : rm(folder, { recursive: true, force: true })));

  /** The units as they would be installed, but with the tree that is here. */
  async function installed(dropIn?: string): Promise<string> {
    const at = await mkdtemp(join(folder, 'root-'));
    for (const name of await readdir(UNITS)) {
      const text = await readFile(join(UNITS, name), 'utf8');
      await writeFile(join(at, name), text.replaceAll('/opt/blockyard', TREE));
    }
    if (dropIn !== undefined) {
      const of = join(at, `${OF_DROP_IN[dropIn]}.d`);
      await mkdir(of);
      await cp(join(DROP_INS, dropIn), join(of, dropIn));
    }
    return at;
  }

  const analyze = (at: string, args: readonly string[]) =>
    execute('systemd-analyze', args, {
      cwd: at,
      env: { ...process.env, SYSTEMD_UNIT_PATH: `${at}:`, SYSTEMD_COLORS: '0' },
      timeout: 60_000,
    });

  it('are valid, each and with its drop-ins', async () => {
    for (const dropIn of [undefined, ...Object.keys(OF_DROP_IN)]) {
      const at = await installed(dropIn);
      const units = (await readdir(at)).filter((name) => name.endsWith('.service'));
      const { stdout, stderr } = await analyze(at, [
        'verify',
        '--man=no',
        ...units.map((name) => join(at, name)),
      ]);
      const ours = `${stdout}${stderr}`
        .split('\n')
        .filter((line) => line !== '' && !OF_ANOTHER_UNIT.test(line));
      assert.deepEqual(ours, [], dropIn);
    }
  });

  it('every drop-in says which unit it is for', async () => {
    assert.deepEqual((await readdir(DROP_INS)).toSorted(), Object.keys(OF_DROP_IN).toSorted());
  });

  for (const [name, most] of Object.entries(EXPOSURE)) {
    it(`${name} exposes no more than ${most}`, async () => {
      const dropIn = name.endsWith('.conf') ? name : undefined;
      const at = await installed(dropIn);
      const unit = OF_DROP_IN[name] ?? name;
      const { stdout } = await analyze(at, ['security', '--offline=yes', '--no-pager', join(at, unit)]).catch(
        (error: { stdout: string }) => error,
      );
      const exposure = Number(/exposure level for \S+: ([\d.]+)/.exec(stdout)?.[1]);
      assert.ok(
        exposure <= most,
        stdout
          .split('\n')
          .filter((line) => line.startsWith('✗'))
          .join('\n'),
      );
    });
  }

  for (const name of Object.keys(CAPABILITIES)) {
    it(`${name} has the capabilities that are written down, and nothing to gain more by`, () => {
      const settings = parse(readFileSync(join(UNITS, name), 'utf8'));
      assert.deepEqual(settings.get('CapabilityBoundingSet'), [CAPABILITIES[name]]);
      assert.deepEqual(settings.get('AmbientCapabilities'), ['']);
      assert.deepEqual(settings.get('NoNewPrivileges'), ['yes']);
      assert.deepEqual(settings.get('User'), CAPABILITIES[name] === '' ? ['blockyard'] : undefined);
    });
  }

  it('start what the Procfile starts', async () => {
    const procfile = parseProcfile(await readFile(join(TREE, 'Procfile'), 'utf8'));
    for (const [name, command] of procfile) {
      const settings = parse(readFileSync(join(UNITS, `blockyard-${name}.service`), 'utf8'));
      const [line = ''] = settings.get('ExecStart') ?? [];
      assert.equal(line.replace(/^\S+\/node /, ''), command.replace(/^.* node /, ''), name);
      for (const variable of /env (.*) node /.exec(command)?.[1]?.split(' ') ?? []) {
        assert.ok(settings.get('Environment')?.join(' ').includes(variable), `${name}: ${variable}`);
      }
    }
  });
});

function parse(text: string): Map<string, string[]> {
  const settings = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const match = /^([A-Za-z]+)=(.*)$/.exec(line);
    if (match !== null)
      settings.set(match[1] ?? '', [...(settings.get(match[1] ?? '') ?? []), match[2] ?? '']);
  }
  return settings;
}

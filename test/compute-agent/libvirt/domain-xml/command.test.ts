import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fixtures, VOLUME } from './documents.ts';

const BLOCKYARD = join(import.meta.dirname, '../../../../bin/blockyard');

interface Outcome {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

async function blockyard(args: readonly string[], input: Buffer, program = BLOCKYARD): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      program,
      ['domain-xml', ...args],
      { encoding: 'buffer' },
      (error, stdout, stderr) => {
        if (error !== null && typeof error.code !== 'number') reject(error);
        else resolve({ code: Number(error?.code ?? 0), stdout, stderr: stderr.toString() });
      },
    );
    // A wrong command line ends the program before it reads.
    child.stdin?.on('error', () => {}).end(input);
  });
}

const bytesOf = (name: string): Buffer =>
  fixtures().find((each) => each.name === `${name}.xml`)?.bytes ?? assert.fail(name);
const ATTACH = ['attach', '--id', VOLUME, '--source'];

describe('blockyard domain-xml', () => {
  for (const name of ['plain', 'crlf', 'latin1', 'utf16be', 'shift-jis', 'entities', 'devices-self-closed']) {
    it(`${name}: attach and detach are one filter and its inverse`, async () => {
      const input = bytesOf(name);
      const attached = await blockyard([...ATTACH, 'block:/dev/disk/by-label/größe'], input);
      assert.deepEqual([attached.code, attached.stderr], [0, '']);
      assert.ok(attached.stdout.length > input.length);
      const detached = await blockyard(['detach', '--id', VOLUME], attached.stdout);
      assert.deepEqual(detached, { code: 0, stdout: input, stderr: '' });
    });
  }

  it('takes limits, bus and device', async () => {
    const { stdout } = await blockyard(
      [
        ...ATTACH,
        'iscsi://[::1]/iqn.2026-01.a:b/1',
        '--bus=scsi',
        '--device=sdq',
        '--qos=read_iops_sec=400,group_name=g',
      ],
      bytesOf('plain'),
    );
    assert.match(stdout.toString(), /<host name='::1' port='3260'\/>[^]*<target dev='sdq' bus='scsi'\/>/);
    assert.match(stdout.toString(), /<read_iops_sec>400<\/read_iops_sec>\s*<group_name>g<\/group_name>/);
  });

  it('runs through a symbolic link', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'blockyard-'));
    try {
      symlinkSync(BLOCKYARD, join(folder, 'by'));
      const { stdout, code } = await blockyard(['--help'], Buffer.alloc(0), join(folder, 'by'));
      assert.equal(code, 0);
      assert.match(stdout.toString(), /^Usage:/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  const source = 'block:/dev/a';
  const misused: Readonly<Record<string, [args: string[], reason: RegExp]>> = {
    'no verb': [[], /expected attach or detach/],
    'another verb': [['move'], /expected attach or detach/],
    'no id': [['attach', '--source', source], /--id is missing/],
    'no source': [['attach', '--id', VOLUME], /--source is missing/],
    'an id that is none': [['detach', '--id', 'a/b'], /invalid volume id/],
    'an option twice': [['detach', '--id', 'a', '--id', 'b'], /--id is given twice/],
    'an unknown option': [['detach', '--id', 'a', '--force'], /--force/],
    'a source detach does not take': [['detach', '--id', 'a', '--source', source], /--source/],
    'a stray word': [['detach', '--id', 'a', 'b'], /argument/],
    'a wrong source': [[...ATTACH, 'nfs:/x'], /expected block:/],
    'a wrong bus': [[...ATTACH, source, '--bus', 'ide'], /--bus must be one of virtio, scsi, sata/],
    'a wrong device': [[...ATTACH, source, '--device', 'hda'], /does not fit bus virtio/],
    'a wrong limit': [[...ATTACH, source, '--qos', 'iops=1'], /iops is not an I\/O limit/],
    'a limit without value': [[...ATTACH, source, '--qos', 'read_iops_sec'], /KEY=VALUE/],
    'mixed limits': [[...ATTACH, source, '--qos', 'read_iops_sec=1,total_iops_sec=1'], /cannot stand beside/],
  };
  for (const [name, [args, reason]] of Object.entries(misused)) {
    it(`exits 2 for ${name}`, async () => refuses(await blockyard(args, bytesOf('plain')), 2, reason));
  }

  it('exits 1, prints nothing and says why in one line, if the document cannot be served', async () => {
    refuses(await blockyard(['detach', '--id', VOLUME], bytesOf('plain')), 1, /is not attached/);
    refuses(
      await blockyard([...ATTACH, source, '--device', 'vda'], bytesOf('plain')),
      1,
      /device vda is taken/,
    );
    refuses(await blockyard([...ATTACH, source], Buffer.from('<domain>')), 1, /not well-formed/);
    refuses(await blockyard([...ATTACH, source], Buffer.from('<network/>')), 1, /root element is <network>/);
    refuses(await blockyard([...ATTACH, source], Buffer.alloc(0)), 1, /empty/);
  });
});

function refuses({ code, stdout, stderr }: Outcome, expected: number, reason: RegExp): void {
  assert.equal(code, expected, stderr);
  assert.equal(stdout.length, 0);
  assert.match(stderr, reason);
  assert.match(stderr, /^blockyard domain-xml: [^\n]+\n$/);
}

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitForLink } from '#compute-agent/connectors/open-iscsi/link.ts';

describe('waiting for a link', () => {
  let dir: string;
  let link: string;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'by-link-'));
    link = join(dir, 'disk/by-path/ip-1');
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  it('sees it come, its folders too, change and go', async () => {
    const is = (wanted: string | null) => waitForLink(link, (target) => target === wanted, 10_000);
    const came = is('sda');
    await mkdir(join(dir, 'disk/by-path'), { recursive: true });
    await symlink('../../sdb', link);
    await rm(link);
    await symlink('../../sda', link);
    assert.equal(await came, true);
    assert.equal(await is('sda'), true);
    const gone = is(null);
    await rm(join(dir, 'disk'), { recursive: true });
    assert.equal(await gone, true);
  });

  it('ends', async () => {
    assert.equal(await waitForLink(link, (target) => target !== null, 30), false);
  });
});

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeSettings } from '#stack/settings-file.ts';

describe('the settings of npm start, for a shell', () => {
  it('are the api’s to the letter, with its address and a token, for nobody else to read', async () => {
    const runDir = await mkdtemp(join(tmpdir(), 'by-settings-'));
    try {
      const odd = `it's $HOME; \`id\` & "more"`;
      const file = await writeSettings({
        runDir,
        env: { BLOCKYARD_BACKENDS: odd },
        apiUrl: 'http://127.0.0.1:1',
        adminToken: 't',
      });
      assert.equal((await stat(file)).mode & 0o777, 0o600);
      const said = execFileSync('sh', ['-c', `. "$1"; exec env -0`, 'sh', file], {
        encoding: 'utf8',
        env: { PATH: process.env['PATH'] },
      }).split('\0');
      for (const each of [
        `BLOCKYARD_BACKENDS=${odd}`,
        'BLOCKYARD_URL=http://127.0.0.1:1',
        'BLOCKYARD_TOKEN=t',
      ])
        assert.ok(said.includes(each), each);
    } finally {
      await rm(runDir, { recursive: true, force: true });
    }
  });
});

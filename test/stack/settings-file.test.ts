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
      const files = await writeSettings({
        runDir,
        env: { BLOCKYARD_BACKENDS: odd },
        apiUrl: 'http://127.0.0.1:1',
        adminToken: 't',
      });
      for (const file of Object.values(files)) assert.equal((await stat(file)).mode & 0o777, 0o600);
      assert.ok(told(files.api).includes(`BLOCKYARD_BACKENDS=${odd}`));
      const client = told(files.client);
      assert.ok(client.includes('BLOCKYARD_URL=http://127.0.0.1:1') && client.includes('BLOCKYARD_TOKEN=t'));
      assert.ok(!client.some((each) => each.startsWith('BLOCKYARD_BACKENDS')));
    } finally {
      await rm(runDir, { recursive: true, force: true });
    }
  });
});

/** The environment of a program that a shell starts which has read the file. */
function told(file: string): string[] {
  const env = { PATH: process.env['PATH'] };
  return execFileSync('sh', ['-c', '. "$1"; exec env -0', 'sh', file], { encoding: 'utf8', env }).split('\0');
}

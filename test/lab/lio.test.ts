import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lab } from '#lab/lab.ts';
import { type Answer, Client } from '#stack/demo/client.ts';
import { labOrSkip } from '#test/support/lab.ts';

/** Node and LIO under emulation, on a machine that does other things too. */
const INSIDE_MS = 20 * 60_000;
const SOON_MS = 120_000;
const TREE = '/opt/blockyard';
const CONFIGFS = '/sys/kernel/config/target';

describe('LIO on the storage node', function () {
  this.timeout(INSIDE_MS);
  let lab: Lab;
  before(async function () {
    lab = await labOrSkip(this);
  });

  it('passes its own tests inside (test/lab/inside/lio.ts)', async () => {
    const { exitCode, stdout } = await lab.storage.exec(
      `cd ${TREE} && LIO_THIN_POOL=${lab.volumeGroup}/${lab.thinPool} PATH=${TREE}/node_modules/.bin:$PATH
      node node_modules/mocha/bin/mocha.js --no-config --reporter dot test/lab/inside/lio.ts 2>&1`,
      { timeoutMs: INSIDE_MS },
    );
    if (exitCode !== 0) throw new Error(stdout);
  });

  it('has an export again soon after somebody has cleared LIO', async () => {
    const client = new Client(lab.stack);
    const ask = async (method: string, path: string, body?: object): Promise<Answer['body']> => {
      const answer = await client.ask(method, path, body);
      assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
      return answer.body;
    };
    const { volume } = await ask('POST', '/v3/volumes', { volume: { size: 1, name: 'lio' } });
    const path = `/v3/volumes/${volume.id}`;
    const available = (what: string) =>
      client.until(what, path, ({ body }) => body.volume.status === 'available', { deadlineMs: SOON_MS });
    await available('the volume is made');

    const initiator = 'iqn.2010-10.org.blockyard:host:elsewhere';
    const connector = { initiator, host: 'elsewhere', ip: '10.77.0.9' };
    const { attachment } = await ask('POST', '/v3/attachments', {
      attachment: { volume_uuid: volume.id, instance_uuid: randomUUID(), connector },
    });
    const link = `${CONFIGFS}/iscsi/*:volume-${volume.id}/tpgt_1/acls/${initiator}/lun_0/volume`;
    await soon('exported', () => succeeds(`test -e ${link}`));
    await lab.storage.sh('targetctl clear', { timeoutMs: SOON_MS });
    await soon('exported again', () => succeeds(`test -e ${link}`));

    await ask('DELETE', `/v3/attachments/${attachment.id}`);
    await available('the volume is free');
    await ask('DELETE', path);
    await client.until('the volume is deleted', path, ({ status }) => status === 404, {
      deadlineMs: SOON_MS,
    });
    assert.ok(!(await succeeds(`ls -d ${CONFIGFS}/*/*/*${volume.id} ${CONFIGFS}/iscsi/*${volume.id}`)));
  });

  const succeeds = async (command: string): Promise<boolean> =>
    (await lab.storage.exec(command)).exitCode === 0;
});

async function soon(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const began = performance.now(); !(await holds()); await sleep(500))
    assert.ok(performance.now() - began < SOON_MS, `not in time: ${what}`);
}

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { systemRunner } from '#agent/run.ts';
import { ClientRig } from './rig.ts';

describe('openstacksdk', () => {
  let rig: ClientRig;
  before(async function () {
    this.timeout(60_000);
    rig = await ClientRig.start();
  });
  after(async function () {
    this.timeout(30_000);
    await rig[Symbol.asyncDispose]();
  });

  it('leads a volume through its life', async function () {
    this.timeout(120_000);
    const { stdout } = await systemRunner.run('/usr/bin/python3', [join(import.meta.dirname, 'sdk.py')], {
      env: rig.env,
      timeoutMs: 110_000,
    });
    assert.equal(stdout.trim(), 'done');
  });
});

import assert from 'node:assert/strict';
import { commandsOf } from '#api/block-storage/operations/commands.ts';
import type { Caller } from '#api/http/context.ts';
import { asId } from '#schema/ids.ts';

const caller = (isAdmin: boolean): Caller => ({
  projectId: asId('p'),
  userId: asId('u'),
  roles: [],
  isAdmin,
  seesAllProjects: isAdmin,
  scope: 'project',
});
const said = (command: string) => ({
  commands: JSON.stringify({
    commands: [{ command, exit_code: 5, at_ms: 1, duration_ms: 2, error: `no ${command}` }],
    omitted: 3,
  }),
});
const seenBy = (isAdmin: boolean, command: string) => commandsOf(said(command), caller(isAdmin)).commands[0];

describe('commands of a timeline', () => {
  for (const [command, shown] of [
    [
      'lvcreate --devices /dev/sdb,/dev/sdc -n filling-1 vg/pool',
      'lvcreate --devices … -n filling-1 vg/pool',
    ],
    ['blkdiscard -z /dev/vg1/volume-1', 'blkdiscard -z …/volume-1'],
    [
      'configfs: ensure iqn.2010-10.org.x:volume-1 core/iblock_1000001/volume-1 device=/dev/vg/volume-1 portals=10.0.0.1:3260,[fd00::1]:3260 initiators=iqn.a',
      'configfs: ensure iqn.2010-10.org.x:volume-1 core/iblock_1000001/volume-1 device=…/volume-1 portals=…:3260,…:3260 initiators=iqn.a',
    ],
    ["cp '/srv/a/b' /srv/c/d", "cp '…/b' …/d"],
    ['stat //dev//vg/x', 'stat …/x'],
    ['http: GET https://store.internal:9000/bucket/data', 'http: GET https://…/data'],
    [
      'Get "s3:https://store.internal:9000": lookup store.internal on 10.0.0.2:53: no such host',
      'Get "s3:https://…": lookup … on …:53: no such host',
    ],
  ] as const) {
    it(`users see ${shown}`, () => {
      assert.equal(seenBy(false, command)?.command, shown);
      assert.equal(seenBy(false, command)?.error, `no ${shown}`);
      assert.equal(seenBy(true, command)?.command, command);
    });
  }

  it('are none for a step that tells of none', () => {
    assert.deepEqual(commandsOf({ commands: null }, caller(false)), { commands: [], omitted: 0 });
    assert.equal(commandsOf(said('x'), caller(false)).omitted, 3);
  });
});

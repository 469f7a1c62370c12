import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureExport, findExport, listTargets, removeExport } from '#storage-agent/targets/lio/export.ts';
import { listExports } from '#storage-agent/targets/lio/inventory.ts';
import { lingering } from '#storage-agent/targets/lio/lingering.ts';
import { Refusal } from '#storage-agent/targets/lio/refusal.ts';
import { openTree, StepError } from '#storage-agent/targets/lio/tree.ts';
import { itSurvivesCrashes, makeSpec, nameOf } from './cut-points.ts';
import { everythingIn, type Imitation, imitateLio } from './imitation.ts';

const PORTALS = ['192.0.2.1:3260', '[2001:db8::1]:3260'];

describe('LIO exports, on a folder that imitates configfs', () => {
  let lio: Imitation;
  let devices = 0;
  const device = (): string => `/dev/vg/volume-${(devices += 1)}`;
  const make = () => makeSpec({ portals: PORTALS, device });
  beforeEach(() => void (lio = imitateLio()));
  afterEach(() => lio[Symbol.dispose]());

  describe('crashing at every step', () =>
    itSurvivesCrashes(() => ({ tree: lio.tree, portals: PORTALS, device })));

  it('are the same however often they are made, and leave nothing behind', () => {
    lio.tree.mkdir('iscsi');
    const empty = everythingIn(lio.root);
    const spec = make();
    ensureExport(lio.tree, spec);
    const once = everythingIn(lio.root);
    ensureExport(lio.tree, spec);
    assert.deepEqual(everythingIn(lio.root), once);
    removeExport(lio.tree, nameOf(spec));
    assert.deepEqual(everythingIn(lio.root), empty);
    removeExport(lio.tree, nameOf(spec));
  });

  it('do not discard where the device does not', () => {
    const spec = make();
    ensureExport(lio.tree, { ...spec, backstore: { ...spec.backstore, discard: false } });
    const [hba = ''] = lio.tree.list('core').filter((name) => name.startsWith('iblock_'));
    assert.equal(lio.tree.read(`core/${hba}/${spec.backstore.name}/attrib/emulate_tpu`), '0');
  });

  it('take back what somebody has opened on them', () => {
    const spec = make();
    ensureExport(lio.tree, spec);
    const right = everythingIn(lio.root);
    const tpg = `iscsi/${spec.iqn}/tpgt_1`;
    lio.tree.write(`${tpg}/attrib/authentication`, '0');
    lio.tree.write(`${tpg}/attrib/generate_node_acls`, '1');
    lio.tree.mkdir(`${tpg}/acls/iqn.2001-04.com.example:stranger`);
    lio.tree.write(`${tpg}/acls/${spec.acls[0]?.initiator}/auth/password`, 'known-to-others');
    ensureExport(lio.tree, spec);
    assert.deepEqual(everythingIn(lio.root), right);
  });

  it('tell what an initiator that was shut out still has of them', () => {
    const { tree } = lio;
    const spec = make();
    ensureExport(tree, spec);
    const [gone = '', stays = ''] = spec.acls.map(({ initiator }) => initiator);
    assert.equal(lingering(tree, spec.iqn, gone), 'may still log in');
    ensureExport(tree, { ...spec, acls: spec.acls.slice(1) });
    assert.equal(lingering(tree, spec.iqn, gone), null);
    const folder = join(lio.root, 'iscsi', spec.iqn, 'fabric_statistics/iscsi_instance');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'sessions'), '1\n');
    assert.equal(lingering(tree, spec.iqn, gone), 'has 1 session(s) left');
    // Somebody else's, as far as anybody can tell.
    const info = join(lio.root, 'iscsi', spec.iqn, 'tpgt_1/acls', stays, 'info');
    writeFileSync(info, 'InitiatorName: x\n');
    assert.equal(lingering(tree, spec.iqn, gone), null);
    removeExport(tree, nameOf(spec));
    assert.equal(lingering(tree, spec.iqn, gone), null);
  });

  it('are told of, with what is left of others', () => {
    const { tree } = lio;
    const [spec, half] = [make(), make()];
    ensureExport(tree, spec);
    ensureExport(tree, half);
    const foreign = 'iqn.2001-04.com.example:storage';
    tree.mkdir(`iscsi/${foreign}`);
    const prefix = spec.iqn.slice(0, -spec.backstore.name.length);
    const told = {
      name: spec.backstore.name,
      iqn: spec.iqn,
      path: spec.backstore.path,
      lun: 0,
      serial: spec.backstore.serial,
      initiators: spec.acls.map(({ initiator }) => initiator),
      sessions: [],
    };
    assert.deepEqual(
      listExports(tree, prefix).find(({ name }) => name === told.name),
      told,
    );
    assert.equal(listExports(tree, prefix).length, 2);
    // What a removal that was cut short leaves: the backstore without its target.
    const dir = `core/iblock_${1_000_000 + half.backstore.number}/${half.backstore.name}`;
    const enabled = tree.read(`${dir}/enable`);
    removeExport(tree, nameOf(half));
    tree.mkdir(dir.slice(0, dir.lastIndexOf('/')));
    tree.mkdir(dir);
    assert.equal(enabled, '1');
    assert.deepEqual(
      listExports(tree, prefix).map(({ name, path, initiators }) => [name, path, initiators.length]),
      [
        [told.name, told.path, 2],
        [half.backstore.name, null, 0],
      ],
    );
  });

  it('leave everything alone that is not theirs', () => {
    const { tree } = lio;
    tree.mkdir('iscsi');
    const spec = make();
    const foreign = `iqn.2001-04.com.example:${spec.backstore.name}`;
    tree.mkdir('core/iblock_0');
    tree.mkdir(`core/iblock_0/${spec.backstore.name}`);
    tree.mkdir(`iscsi/${foreign}`);
    tree.mkdir(`iscsi/${foreign}/tpgt_1`);
    tree.mkdir(`iscsi/${spec.iqn}x`);
    const before = everythingIn(lio.root);
    ensureExport(tree, spec);
    removeExport(tree, nameOf(spec));
    assert.deepEqual(everythingIn(lio.root), before);
    assert.deepEqual(new Set(listTargets(tree)), new Set([foreign, `${spec.iqn}x`]));
    assert.equal(findExport(tree, nameOf(spec)), null);
  });

  it('are refused when somebody else has the backstore’s index', () => {
    const spec = make();
    const hba = `core/iblock_${1_000_000 + spec.backstore.number}`;
    lio.tree.mkdir(hba);
    lio.tree.mkdir(`${hba}/somebodys`);
    assert.throws(
      () => ensureExport(lio.tree, spec),
      (error: Error) =>
        error instanceof Refusal && error.message.includes(`${hba} has another backstore, somebodys`),
    );
    removeExport(lio.tree, nameOf(spec));
    assert.ok(lio.tree.list(hba).includes('somebodys'));
  });

  it('are refused another device while somebody is logged in', () => {
    const spec = make();
    ensureExport(lio.tree, spec);
    const info = join(lio.root, 'iscsi', spec.iqn, 'tpgt_1/acls', spec.acls[0]?.initiator ?? '', 'info');
    writeFileSync(info, 'InitiatorName: somebody\n');
    const right = everythingIn(lio.root);
    assert.equal(findExport(lio.tree, nameOf(spec))?.sessions, 1);
    const other = { ...spec, backstore: { ...spec.backstore, path: device() } };
    assert.throws(() => ensureExport(lio.tree, other), Refusal);
    assert.deepEqual(everythingIn(lio.root), right);
  });

  it('say that the device is in use by something else', () => {
    const [one, two] = [make(), make()];
    ensureExport(lio.tree, one);
    const same = { ...two, backstore: { ...two.backstore, path: one.backstore.path } };
    assert.throws(() => ensureExport(lio.tree, same), /is in use by something else on this host/);
  });

  it('never tell a value in an error', () => {
    const spec = make();
    const { tree } = lio;
    const refusing = {
      ...tree,
      write(path: string, value: string): void {
        // What the folder below cannot do: the path is a folder.
        if (path.endsWith('/password')) mkdirSync(join(lio.root, 'folder'));
        if (path.endsWith('/password')) openTree(lio.root).write('folder', value);
        else tree.write(path, value);
      },
    };
    assert.throws(
      () => ensureExport(refusing, spec),
      (error: Error) =>
        error instanceof StepError && !String(error.stack).includes(spec.acls[0]?.secret ?? ''),
    );
  });
});

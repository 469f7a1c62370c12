import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { linkedBy } from '#storage-agent/targets/lio/acl.ts';
import { backstoreOf } from '#storage-agent/targets/lio/backstore.ts';
import {
  type ExportName,
  type ExportSpec,
  ensureExport,
  findExport,
  removeExport,
} from '#storage-agent/targets/lio/export.ts';
import { hbaOf, targetOf, tpgOf } from '#storage-agent/targets/lio/layout.ts';
import type { Tree } from '#storage-agent/targets/lio/tree.ts';
import { numberOf } from '../numbered.ts';

class Crash extends Error {}

/** The tree, for a process that dies at its n-th call: before the kernel hears of it, or after it is done. */
function dying(tree: Tree, at: number, when: 'before' | 'after'): Tree {
  let calls = 0;
  return new Proxy(tree, {
    get(real, name: keyof Tree) {
      return (...args: string[]): unknown => {
        calls += 1;
        if (calls > at || (calls === at && when === 'before')) throw new Crash();
        const answer: unknown = Reflect.apply(real[name], real, args);
        if (calls === at) throw new Crash();
        return answer;
      };
    },
  });
}

export interface CutPoints {
  readonly tree: Tree;
  readonly portals: readonly string[];
  /** A device of its own for each export. */
  readonly device: () => string;
  /** Try every how many-th point only; a slow kernel takes long. Default 1. */
  readonly stride?: number;
}

/** One initiator with an account of its own. */
const acl = (name: string) => ({
  initiator: `iqn.2010-10.org.blockyard:host:${name}`,
  username: `user-${name}`,
  secret: `secret-of-${name}-1`,
});

/** An export of a volume that is nobody else's. */
export function makeSpec({ portals, device }: Pick<CutPoints, 'portals' | 'device'>): ExportSpec {
  const volume = randomUUID();
  const name = `volume-${volume}`;
  return {
    iqn: `iqn.2010-10.org.blockyard:${name}`,
    backstore: { name, number: numberOf(volume), path: device(), discard: true, serial: volume },
    portals,
    acls: [acl('a'), acl('b')],
  };
}

/** What names it when it is to be removed. */
export function nameOf({ iqn, backstore: { name, number } }: ExportSpec): ExportName {
  return { iqn, name, number };
}

/** An agent that dies anywhere leaves nothing open, and the next one completes what it began. */
export function itSurvivesCrashes(get: () => CutPoints): void {
  /** At every moment: who sees the disk has an account to prove, and the disk its own serial number. */
  const assertClosed = (tree: Tree, { iqn, backstore }: ExportSpec): void => {
    const tpg = tpgOf(iqn);
    const linked = linkedBy(tree, `${tpg}/lun/lun_0`);
    if (linked !== null) {
      const [at] = /core\/iblock_\d+\/[^/]+$/.exec(linked) ?? [''];
      assert.ok(at.endsWith(`/${backstore.name}`));
      const serial = tree.read(`${at}/wwn/vpd_unit_serial`);
      assert.ok(serial?.endsWith(`: ${backstore.serial}`));
    }
    for (const initiator of tree.list(`${tpg}/acls`)) {
      const dir = `${tpg}/acls/${initiator}`;
      if (tree.links(`${dir}/lun_0`).length === 0) continue;
      assert.notEqual(tree.read(`${dir}/auth/userid`), '');
      assert.notEqual(tree.read(`${dir}/auth/password`), '');
    }
    if (tree.read(`${tpg}/enable`) !== '1') return;
    assert.equal(tree.read(`${tpg}/attrib/authentication`), '1');
    assert.equal(tree.read(`${tpg}/attrib/generate_node_acls`), '0');
    assert.equal(tree.read(`${tpg}/attrib/demo_mode_discovery`), '0');
  };

  const assertComplete = (tree: Tree, spec: ExportSpec): void => {
    const tpg = tpgOf(spec.iqn);
    assertClosed(tree, spec);
    assert.equal(tree.read(`${tpg}/enable`), '1');
    assert.notEqual(linkedBy(tree, `${tpg}/lun/lun_0`), null);
    assert.deepEqual(new Set(tree.list(`${tpg}/np`)), new Set(spec.portals));
    const { initiators } = findExport(tree, nameOf(spec)) ?? { initiators: [] };
    assert.deepEqual(new Set(initiators), new Set(spec.acls.map(({ initiator }) => initiator)));
    for (const { initiator, username, secret } of spec.acls) {
      const dir = `${tpg}/acls/${initiator}`;
      assert.equal(tree.read(`${dir}/auth/userid`), username);
      assert.equal(tree.read(`${dir}/auth/password`), secret);
      assert.ok(linkedBy(tree, `${dir}/lun_0`)?.endsWith('/lun/lun_0'));
    }
    const backstore = backstoreOf(spec.backstore);
    assert.equal(tree.read(`${backstore}/enable`), '1');
    assert.equal(tree.read(`${backstore}/udev_path`), spec.backstore.path);
    assert.equal(tree.read(`${backstore}/attrib/emulate_tpu`), '1');
    assert.equal(tree.read(`${backstore}/attrib/emulate_3pc`), '0');
    assert.equal(tree.read(`${backstore}/attrib/emulate_fua_write`), '0');
  };

  const assertGone = (tree: Tree, spec: ExportSpec): void => {
    const { iqn, backstore } = spec;
    assert.deepEqual(tree.list(targetOf(iqn)), []);
    assert.equal(findExport(tree, nameOf(spec)), null);
    assert.deepEqual(tree.list(hbaOf(backstore.number)), []);
  };

  /** Crashes at every call in turn, then does the work again with a new agent; ends when it gets through. */
  const crashEverywhere = (
    prepare: () => ExportSpec,
    work: (tree: Tree, spec: ExportSpec) => void,
    check: (tree: Tree, spec: ExportSpec) => void,
  ): void => {
    const { tree, stride = 1 } = get();
    for (const when of ['before', 'after'] as const)
      for (let at = 1, crashed = true; crashed; at += stride) {
        assert.ok(at < 500, 'never got through');
        const spec = prepare();
        crashed = false;
        try {
          work(dying(tree, at, when), spec);
        } catch (error) {
          if (!(error instanceof Crash)) throw error;
          crashed = true;
        }
        assertClosed(tree, spec);
        work(tree, spec);
        check(tree, spec);
        work(tree, spec);
        check(tree, spec);
        removeExport(tree, nameOf(spec));
        assertGone(tree, spec);
      }
  };

  it('makes an export', () => {
    crashEverywhere(() => makeSpec(get()), ensureExport, assertComplete);
  });

  it('makes an export that was given up half-way', () => {
    crashEverywhere(
      () => makeSpec(get()),
      (tree, spec) => removeExport(tree, nameOf(spec)),
      assertGone,
    );
    const { tree } = get();
    const spec = makeSpec(get());
    for (let at = 1; at < 60; at += get().stride ?? 1) {
      assert.throws(() => ensureExport(dying(tree, at, 'after'), spec), Crash);
      removeExport(tree, nameOf(spec));
      assertGone(tree, spec);
      if (at > 25) break;
    }
  });

  it('changes an export’s initiators, one account and one portal more', () => {
    const changed = (spec: ExportSpec): ExportSpec => ({
      ...spec,
      acls: [{ ...acl('b'), secret: 'renewed-secret-1' }, acl('c')],
    });
    crashEverywhere(
      () => {
        const spec = makeSpec(get());
        ensureExport(get().tree, { ...spec, portals: spec.portals.slice(0, 1) });
        return spec;
      },
      (tree, spec) => ensureExport(tree, changed(spec)),
      (tree, spec) => assertComplete(tree, changed(spec)),
    );
  });

  it('removes an export', () => {
    crashEverywhere(
      () => {
        const spec = makeSpec(get());
        ensureExport(get().tree, spec);
        return spec;
      },
      (tree, spec) => removeExport(tree, nameOf(spec)),
      assertGone,
    );
  });

  it('gives an export another number and another device', () => {
    const other = get().device();
    const moved = (spec: ExportSpec): ExportSpec => ({
      ...spec,
      backstore: { ...spec.backstore, path: other, number: numberOf(`another of ${spec.iqn}`) },
    });
    crashEverywhere(
      () => {
        const spec = makeSpec(get());
        ensureExport(get().tree, spec);
        return spec;
      },
      (tree, spec) => ensureExport(tree, moved(spec)),
      (tree, spec) => {
        assertComplete(tree, moved(spec));
        // Removed as the new one will be, for it bears the same name.
        removeExport(tree, nameOf(moved(spec)));
        assertGone(tree, moved(spec));
        assert.deepEqual(tree.list(backstoreOf(spec.backstore)), []);
      },
    );
  });
}

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { attachDisk } from '#compute-agent/libvirt/domain-xml/attach.ts';
import { detachDisk } from '#compute-agent/libvirt/domain-xml/detach.ts';
import { attachBytes, BLOCK, detachBytes, FIXTURES, fixture, fixtures, SPECS, VOLUME } from './documents.ts';
import { validDocuments } from './xmllint.ts';

describe('domain XML, over the fixtures', () => {
  let folder = '';
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'domain-xml-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  for (const { name, bytes } of fixtures()) {
    it(`${name}: detach gives back every byte of before attach`, () => {
      for (const spec of SPECS) {
        const attached = attachBytes(bytes, spec);
        assert.notDeepEqual(Buffer.from(attached), bytes);
        assert.deepEqual(Buffer.from(detachBytes(attached, VOLUME)), bytes);
      }
    });

    it(`${name}: volumes may come and go in any order`, () => {
      const ids = ['a', 'b', 'c', 'd', 'e'];
      let now: Uint8Array = bytes;
      for (const volumeId of ids) now = attachBytes(now, { ...BLOCK, volumeId });
      for (const volumeId of ['c', 'a']) now = detachBytes(now, volumeId);
      now = attachBytes(now, { ...BLOCK, volumeId: 'f' });
      for (const volumeId of ['b', 'f', 'e', 'd']) now = detachBytes(now, volumeId);
      assert.deepEqual(Buffer.from(now), bytes);
    });
  }

  it('what was valid stays valid', async () => {
    const before = await validDocuments(fixtures().map(({ name }) => join(FIXTURES, name)));
    assert.ok(before.length >= 40, `${before.length} valid fixtures`);
    const outputs = before.flatMap((path) =>
      SPECS.map((spec, index) => {
        const name = path.slice(FIXTURES.length + 1);
        const output = join(folder, `${index}-${name}`);
        const { bytes } = fixtures().find((each) => each.name === name) ?? assert.fail(name);
        writeFileSync(output, attachBytes(bytes, spec));
        return output;
      }),
    );
    assert.deepEqual(await validDocuments(outputs), outputs);
  });

  it('thirty volumes on one guest', () => {
    const original = fixture('plain');
    const ids = Array.from({ length: 30 }, (_, index) => `volume-${index}`);
    let xml = original;
    const devices = ids.map((volumeId) => {
      const attached = attachDisk(xml, { ...BLOCK, volumeId });
      xml = attached.xml;
      return attached.device;
    });
    assert.deepEqual(devices.slice(0, 2), ['vdb', 'vdc']);
    assert.deepEqual(devices.slice(23), ['vdy', 'vdz', 'vdaa', 'vdab', 'vdac', 'vdad', 'vdae']);
    for (const volumeId of ids.toSorted()) xml = detachDisk(xml, volumeId).xml;
    assert.equal(xml, original);
  });
});

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { attachDisk } from '#compute-agent/libvirt/domain-xml/attach.ts';
import { detachDisk } from '#compute-agent/libvirt/domain-xml/detach.ts';
import { listDisks } from '#compute-agent/libvirt/domain-xml/list-disks.ts';
import { SPECS, VOLUME } from './documents.ts';

const DOMAIN = `<domain type='test'>
  <name>guest</name>
  <memory>1024</memory>
  <os>
    <type>hvm</type>
  </os>
  <devices>
    <disk type='file'>
      <source file='/root.img'/>
      <target dev='vda' bus='virtio'/>
    </disk>
  </devices>
</domain>
`;

/** libvirt's in-memory test driver: it parses, completes and writes domains as the real ones do. */
describe('domain XML, rewritten by libvirt', () => {
  let folder = '';
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'domain-xml-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  for (const [index, spec] of SPECS.entries()) {
    it(`takes request ${index} whole, and the volume is found again`, async () => {
      const file = join(folder, `${index}.xml`);
      const { xml, device } = attachDisk(DOMAIN, spec);
      writeFileSync(file, xml);
      const script = `define --validate ${file}; dumpxml --inactive guest`;
      const { stdout } = await promisify(execFile)('virsh', ['-q', '-c', 'test:///default', script]);
      const rewritten = stdout.slice(stdout.indexOf('<domain'));
      const disk = listDisks(rewritten).find((each) => each.serial === VOLUME) ?? assert.fail(rewritten);
      const asked = listDisks(xml).find((each) => each.serial === VOLUME);
      assert.deepEqual(disk, asked);
      assert.equal(disk.target, device);
      assert.deepEqual(
        listDisks(detachDisk(rewritten, VOLUME).xml).map((each) => each.target),
        ['vda'],
      );
    });
  }
});

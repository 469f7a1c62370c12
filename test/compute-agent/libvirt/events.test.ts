import assert from 'node:assert/strict';
import { parseEvent } from '#compute-agent/libvirt/events.ts';

const TIME = '2026-11-22 10:46:30.583+0000';

describe("libvirt's events", () => {
  it('name the domain and what happened to it', () => {
    assert.deepEqual(parseEvent(`${TIME}: event 'device-removed' for domain 'd1': ua-1-2`), {
      kind: 'device-removed',
      domain: 'd1',
      alias: 'ua-1-2',
    });
    assert.deepEqual(parseEvent(`${TIME}: event 'lifecycle' for domain 'it's two': Defined Added`), {
      kind: 'lifecycle',
      domain: "it's two",
      detail: 'Defined Added',
    });
    const metadata =
      "event 'metadata-change' for domain 'd1': type element, uri https://blockyard.dev/xmlns/1";
    assert.equal(parseEvent(`${TIME}: ${metadata}`)?.kind, 'lifecycle');
  });

  it('of other kinds, and their further lines, are passed over', () => {
    for (const line of [
      `${TIME}: event 'reboot' for domain 'd1'`,
      `${TIME}: event 'tunable' for domain 'd1':`,
      '\tblkdeviotune.disk: vdc',
      '',
    ]) {
      assert.equal(parseEvent(line), null);
    }
  });
});

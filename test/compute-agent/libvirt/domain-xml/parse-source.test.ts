import assert from 'node:assert/strict';
import { parseSource } from '#compute-agent/libvirt/domain-xml/parse-source.ts';

const IQN = 'iqn.2026-01.org.example:volume-1';

describe('parseSource', () => {
  it('reads block devices and iSCSI addresses', () => {
    assert.deepEqual(parseSource('block:/dev/disk/by-path/ip-10.0.0.1:3260-iscsi-x-lun-1'), {
      type: 'block',
      dev: '/dev/disk/by-path/ip-10.0.0.1:3260-iscsi-x-lun-1',
    });
    const iscsi = { type: 'iscsi', host: '192.0.2.7', port: 3261, iqn: IQN, lun: 12 };
    assert.deepEqual(parseSource(`iscsi://192.0.2.7:3261/${IQN}/12`), iscsi);
    assert.deepEqual(parseSource(`iscsi://192.0.2.7/${IQN}/12`), { ...iscsi, port: 3260 });
    assert.deepEqual(parseSource(`iscsi://[2001:db8::1]:3261/${IQN}/12`), { ...iscsi, host: '2001:db8::1' });
    assert.deepEqual(parseSource(`iscsi://storage-1.example/${IQN}/0`), {
      ...iscsi,
      host: 'storage-1.example',
      port: 3260,
      lun: 0,
    });
  });

  const refused: Readonly<Record<string, RegExp>> = {
    '': /expected block:/,
    '/dev/sdb': /expected block:/,
    'block:': /a path below \/dev/,
    'block:/etc/passwd': /a path below \/dev/,
    'block:/dev/': /plain path/,
    'block:/dev/../etc/passwd': /plain path/,
    'block:/dev//sdb': /plain path/,
    'iscsi://': /expected block:/,
    [`iscsi:///${IQN}/1`]: /invalid iSCSI host/,
    [`iscsi://h/${IQN}`]: /expected block:/,
    [`iscsi://h/${IQN}/`]: /expected block:/,
    [`iscsi://h/${IQN}/-1`]: /expected block:/,
    [`iscsi://h/${IQN}/99999`]: /invalid LUN/,
    [`iscsi://h:0/${IQN}/1`]: /invalid iSCSI port/,
    [`iscsi://h:65536/${IQN}/1`]: /invalid iSCSI port/,
    [`iscsi://h:port/${IQN}/1`]: /expected block:/,
    [`iscsi://2001:db8::1/${IQN}/1`]: /expected block:/,
    [`iscsi://[192.0.2.1]/${IQN}/1`]: /invalid IPv6/,
    [`iscsi://[fe80::1%eth0]/${IQN}/1`]: /zone/,
    [`iscsi://h_1/${IQN}/1`]: /invalid iSCSI host/,
    'iscsi://h/i q n/1': /invalid iSCSI target/,
  };
  for (const [text, reason] of Object.entries(refused)) {
    it(`refuses ${JSON.stringify(text)}`, () => assert.throws(() => parseSource(text), reason));
  }

  it('does not repeat a password', () => {
    assert.throws(
      () => parseSource(`iscsi://user%hunter2@h/${IQN}/1`),
      /^DomainXmlError: (?!.*hunter2).*credentials/,
    );
  });
});

import assert from 'node:assert/strict';
import { parsePortal, portalText } from '#compute-agent/connectors/portal.ts';

describe('portals', () => {
  it('are an address or a name, and a port', () => {
    assert.deepEqual(parsePortal('10.0.0.1:3260'), { host: '10.0.0.1', port: 3260 });
    assert.deepEqual(parsePortal('storage-1.example:860'), { host: 'storage-1.example', port: 860 });
    assert.deepEqual(parsePortal('[FD00:0:0::0:1]:3260'), { host: 'fd00::1', port: 3260 });
    for (const text of ['10.0.0.1:3260', '[fd00::1]:3260']) assert.equal(portalText(parsePortal(text)), text);
  });

  for (const text of [
    '',
    '10.0.0.1',
    'fd00::1:3260',
    '[10.0.0.1]:3260',
    '[::1',
    'a b:1',
    '[fe80::1%eth0]:3260',
  ])
    it(`are not "${text}"`, () => assert.throws(() => parsePortal(text), { code: 'invalid' }));
});

/** A server's name is a client's own words, the only ones that reach libvirt. */
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { novaName } from '#api/http/fields.ts';
import { childNamed, type Element } from '#compute-agent/libvirt/domain-xml/element.ts';
import { parseXml } from '#compute-agent/libvirt/domain-xml/parse.ts';
import { serverXml } from '#compute-agent/servers/server-xml.ts';

const ID = '00000000-0000-4000-8000-000000000001';

function domain(name: string): Element {
  const xml = serverXml({
    id: ID,
    name,
    projectId: 'p1',
    vcpus: 1,
    memoryMib: 64,
    type: 'qemu',
    machine: 'pc',
    emulator: '/usr/bin/qemu-system-x86_64',
    consoleLog: '/var/log/console',
    disk: { volumeId: ID, device: 'vda', source: { type: 'block', dev: '/dev/vg/volume' } },
  });
  return parseXml(xml);
}

const shape = ({ name, attributes, children }: Element): unknown =>
  name === 'name' || name === 'title' ? name : [name, attributes, children.map(shape)];

describe('the domain of a server', () => {
  it('is the same whatever the server is called, and its title says what that is', () => {
    const scraps = fc.constantFrom(
      ']]>',
      '<!--',
      '<![CDATA[',
      "'/><disk file='/etc/shadow'/>",
      '</title><x>',
      '&lt;',
      '&#0;',
      '%s',
      '$(touch x)',
      '../..',
      '-',
    );
    const names = fc
      .array(fc.oneof(scraps, fc.string({ unit: 'grapheme' })), { minLength: 1, maxLength: 6 })
      .map((parts) => novaName.safeParse(parts.join('')))
      .filter(({ success }) => success)
      .map(({ data }) => data ?? '');
    const plain = shape(domain('plain'));
    fc.assert(
      fc.property(names, (name) => {
        const made = domain(name);
        assert.deepEqual(shape(made), plain);
        assert.equal(childNamed(made, 'title')?.text, name);
        assert.match(childNamed(made, 'name')?.text ?? '', /^[A-Za-z0-9_][A-Za-z0-9._-]*-00000000$/);
      }),
    );
  });
});

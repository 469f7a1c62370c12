import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { attachDisk } from '#compute-agent/libvirt/domain-xml/attach.ts';
import { detachDisk } from '#compute-agent/libvirt/domain-xml/detach.ts';
import { listDisks } from '#compute-agent/libvirt/domain-xml/list-disks.ts';
import { BLOCK } from './documents.ts';

const text = fc
  .string({
    unit: fc.constantFrom(
      'a',
      '7',
      ' ',
      '\n',
      '\t',
      'é',
      '🚀',
      '&amp;',
      '&lt;',
      '&#10;',
      '&e;',
      ']',
      "'",
      '"',
      '>',
    ),
  })
  .map((value) => value.replaceAll(']]>', ''));
const blanks = fc.constantFrom('', '', ' ', '  ', '\n', '\n\n', '\n  ', '\n    ', '\n\n    ', '\n\t\t', '\t');
const aside = fc.oneof(
  fc.constantFrom(
    '<!-- <disk/> -->',
    '<!--\n-->',
    '<?pi <disk> ?>',
    '<![CDATA[<devices/>]]>',
    '<![CDATA[ ]]>',
  ),
  fc.constantFrom('&m;', '<x:disk xmlns:x="u"/>', '<disk xmlns="u"><serial>v0</serial></disk>'),
);
const target = fc.constantFrom('vda', 'vdb', 'vdc', 'sda', 'hda');
const disk = fc
  .tuple(target, blanks, fc.constantFrom("'", '"'))
  .map(
    ([dev, space, q]) =>
      `<disk type=${q}file${q}>${space}<target${space} dev=${q}${dev}${q}/>${space}</disk${space}>`,
  );
const device = fc.oneof(
  disk,
  fc.constantFrom(
    '<emulator>/q</emulator>',
    '<input type="mouse"/>',
    '<controller><target dev="vdd"/></controller>',
  ),
);
const content = fc
  .array(fc.tuple(blanks, fc.oneof({ weight: 3, arbitrary: device }, { weight: 1, arbitrary: aside })), {
    maxLength: 6,
  })
  .chain((pieces) => blanks.map((tail) => pieces.map(([space, piece]) => space + piece).join('') + tail));
const devices = fc.oneof(
  fc.constantFrom(
    '',
    '<devices/>',
    '<devices />',
    '<devices\n/>',
    '<devices></devices >',
    '<devices a="1">\n</devices>',
  ),
  content.map((inner) => `<devices>${inner}</devices>`),
);
const document = fc
  .record({
    head: fc.constantFrom('', '\uFEFF', '<?xml version="1.0"?>\n', '<!-- a -->'),
    before: fc.array(
      fc.tuple(
        blanks,
        fc.constantFrom('<name>007</name>', '<vcpu>1e5</vcpu>', '<metadata><devices/></metadata>'),
      ),
    ),
    devices,
    space: blanks,
    after: fc.array(fc.tuple(blanks, fc.oneof(fc.constant('<seclabel/>'), aside)), { maxLength: 2 }),
    words: text,
    tail: blanks,
    newline: fc.constantFrom('\n', '\n', '\r\n', '\r'),
  })
  .map(({ head, before, devices, space, after, words, tail, newline }) => {
    const join = (pieces: [string, string][]): string =>
      pieces.map(([blank, piece]) => blank + piece).join('');
    const doctype = '<!DOCTYPE domain [<!ENTITY e "x"><!ENTITY m "<disk><target dev=\'vde\'/></disk>">]>';
    const title = words === '' ? '' : `<title>${words}</title>`;
    const root = `<domain type='kvm'>${join(before)}${title}${space}${devices}${join(after)}${tail}</domain>`;
    return `${head}${doctype}${root}${tail}`.replaceAll('\n', newline);
  });

describe('domain XML, any document', () => {
  it('keeps everything, picks free names, and undoes volumes in any order', () => {
    const order = fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 });
    fc.assert(
      fc.property(document, order, fc.constantFrom('virtio', 'scsi', 'sata'), (original, order, bus) => {
        const before = listDisks(original);
        let xml = original;
        const names = order
          .toSorted((a, b) => a - b)
          .map((index) => {
            const attached = attachDisk(xml, { ...BLOCK, volumeId: `v${index}`, bus });
            assert.ok(survives(xml, attached.xml), attached.xml);
            xml = attached.xml;
            return attached.device;
          });
        const all = listDisks(xml);
        assert.equal(all.length, before.length + names.length);
        assert.equal(
          new Set([...names, ...before.map((each) => each.target)]).size,
          new Set(before.map((each) => each.target)).size + 4,
        );
        assert.deepEqual(
          all.filter((each) => each.serial === null),
          before,
        );
        for (const index of order) xml = detachDisk(xml, `v${index}`).xml;
        assert.equal(xml, original);
      }),
      { numRuns: 1_000 },
    );
  });
});

/** One piece was put in at one place; a self-closed element may have been opened for it. */
function survives(before: string, after: string): boolean {
  let head = 0;
  while (head < before.length && before[head] === after[head]) head += 1;
  if (before.startsWith('/>', head)) return after.endsWith(before.slice(head + 2));
  let tail = 0;
  while (tail < before.length && before.at(-1 - tail) === after.at(-1 - tail)) tail += 1;
  return head + tail >= before.length;
}

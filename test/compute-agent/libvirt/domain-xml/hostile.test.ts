import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { DomainXmlError } from '#compute-agent/libvirt/domain-xml/domain-xml-error.ts';
import { decodeXml } from '#compute-agent/libvirt/domain-xml/encoding.ts';
import { listDisks } from '#compute-agent/libvirt/domain-xml/list-disks.ts';
import { fixture } from './documents.ts';

const inBody = (body: string, subset = ''): string =>
  `<!DOCTYPE domain [${subset}]><domain><name>${body}</name></domain>`;

const LAUGHS = 'abcdefghij'
  .split('')
  .map((name, index, names) =>
    index === 0
      ? '<!ENTITY a "laughing out loud">'
      : `<!ENTITY ${name} "${`&${names[index - 1]};`.repeat(10)}">`,
  );

const REFUSED: Readonly<Record<string, [xml: string, reason: RegExp]>> = {
  'no XML': ['hello', /not well-formed/],
  'only blanks': ['  \n', /not well-formed/],
  truncated: ['<domain><devices>', /not well-formed/],
  'crossed tags': ['<domain><a></domain></a>', /not well-formed/],
  'two roots': ['<domain/><domain/>', /not well-formed/],
  'attribute twice': ["<domain a='1' a='2'/>", /not well-formed/],
  'stray ampersand': ['<domain>a & b</domain>', /not well-formed/],
  'undefined entity': [inBody('&nope;'), /entity &nope; is not defined/],
  'property of an object': ['<domain>&constructor;</domain>', /entity &constructor; is not defined/],
  'entity within itself': [inBody('&a;', '<!ENTITY a "&b;"><!ENTITY b "&a;">'), /contains itself/],
  'entity of half a tag': [inBody('&a;', '<!ENTITY a "<x>">'), /not well-formed/],
  'tag in an attribute': [`<!DOCTYPE d [<!ENTITY a "<x/>">]><domain a='&a;'/>`, /not well-formed/],
  'external entity in an attribute': [
    `<!DOCTYPE d [<!ENTITY a SYSTEM "/etc/passwd">]><domain a='&a;'/>`,
    /external/,
  ],
  'billion laughs': [inBody('&j;', LAUGHS.join('')), /expand beyond all measure/],
  'billion laughs in an attribute': [
    `<!DOCTYPE d [${LAUGHS.join('')}]><domain a='&j;'/>`,
    /beyond all measure/,
  ],
  'quadratic blow-up': [
    inBody('&a;'.repeat(100_000), `<!ENTITY a "${'x'.repeat(10_000)}">`),
    /beyond all measure/,
  ],
  'bottomless nesting': ['<domain>'.repeat(200_000), /nested too deeply/],
  'broken subset': ['<!DOCTYPE domain [<!ENTITY a>]><domain/>', /line 1: malformed prolog/],
  'endless subset': [`<!DOCTYPE domain [${' '.repeat(100_000)}`, /malformed prolog/],
  'character no document may hold': ['<domain>\u0001</domain>', /not well-formed/],
  'another root': ['<domstatus><domain/></domstatus>', /the root element is <domstatus>, expected <domain>/],
  'a snapshot': ['<domainsnapshot><domain/></domainsnapshot>', /the root element is <domainsnapshot>/],
};

describe('domain XML, bad input', () => {
  for (const [name, [xml, reason]] of Object.entries(REFUSED)) {
    it(`refuses ${name}`, () => {
      const started = performance.now();
      assert.throws(() => listDisks(xml), { name: 'DomainXmlError', message: reason });
      assert.ok(performance.now() - started < 3_000, 'took too long');
    });
  }

  it('never opens what a document points to', () => {
    const xml = `<!DOCTYPE domain SYSTEM "file:///etc/passwd" [<!ENTITY a SYSTEM "file:///etc/passwd">]>
<domain><devices><disk><serial>&a;</serial></disk></devices></domain>`;
    assert.equal(listDisks(xml)[0]?.serial, '');
  });

  it('fails in one way only, whatever the text', () => {
    const scraps = fc.constantFrom(
      '<',
      '>',
      '</',
      '/>',
      '<!--',
      '-->',
      '&',
      ';',
      '<![CDATA[',
      ']]>',
      '<!DOCTYPE ',
      '[',
      ']',
      '"',
      "'",
      '\0',
      '%',
    );
    const base = [fixture('entities'), fixture('plain'), fixture('qemu-commandline')];
    const broken = fc
      .tuple(
        fc.constantFrom(...base),
        fc.array(fc.tuple(fc.nat(2_000), scraps, fc.nat(8)), { minLength: 1, maxLength: 4 }),
      )
      .map(([text, cuts]) =>
        cuts.reduce((now, [at, scrap, drop]) => now.slice(0, at) + scrap + now.slice(at + drop), text),
      );
    fc.assert(
      fc.property(fc.oneof(broken, fc.string({ unit: 'binary' })), (xml) => {
        try {
          listDisks(xml);
        } catch (error) {
          assert.ok(error instanceof DomainXmlError, String(error));
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('domain XML, bytes', () => {
  const refused: Readonly<Record<string, [bytes: Buffer, reason: RegExp]>> = {
    'no bytes': [Buffer.alloc(0), /empty/],
    'broken UTF-8': [Buffer.from([0x3c, 0x61, 0xff, 0x2f, 0x3e]), /not valid UTF-8/],
    'overlong UTF-8': [Buffer.from([0x3c, 0x61, 0xc0, 0xaf, 0x2f, 0x3e]), /not valid UTF-8/],
    'half a UTF-16 character': [Buffer.from([0xff, 0xfe, 0x3c, 0x00, 0x61]), /not valid UTF-16LE/],
    'UTF-32': [Buffer.from([0xff, 0xfe, 0, 0, 0x3c, 0, 0, 0]), /UTF-32 is not supported/],
    'an unknown encoding': [
      Buffer.from("<?xml version='1.0' encoding='EBCDIC-X'?><domain/>"),
      /encoding EBCDIC-X/,
    ],
    'an encoding with state': [
      Buffer.from("<?xml version='1.0' encoding='ISO-2022-JP'?><domain/>"),
      /ISO-2022-JP/,
    ],
    'UTF-16 that is none': [
      Buffer.from("<?xml version='1.0' encoding='UTF-16'?><domain/>"),
      /encoding UTF-16/,
    ],
    'ASCII that is none': [
      Buffer.from("<?xml version='1.0' encoding='US-ASCII'?><domain>é</domain>"),
      /not valid US-ASCII/,
    ],
  };
  for (const [name, [bytes, reason]] of Object.entries(refused)) {
    it(`refuses ${name}`, () =>
      assert.throws(() => decodeXml(bytes), { name: 'DomainXmlError', message: reason }));
  }
});

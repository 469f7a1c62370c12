import type { DiskLayout } from './disk-xml.ts';
import type { DomainDocument } from './domain-document.ts';
import { DomainXmlError } from './domain-xml-error.ts';
import { childNamed, type Element, localName, namespaceOf, prefixOf } from './element.ts';
import type { Splice } from './splice.ts';

/*
 * Removing takes an element and the blanks before it, so inserting puts blanks and an element behind a tag. Where that
 * could leave a trace, the blanks before the first disk tell what was there:
 *   <devices></devices>   nothing before the disk
 *   <devices/>            blanks before it, nothing behind the last one
 *   no <devices> at all   an empty line before it (or two spaces in a document without lines)
 * Later disks repeat the blanks of the one before, so the sign stays whichever disk leaves first.
 */

type Render = (layout: DiskLayout) => string;

/** What libvirt writes behind `<devices>`; whatever has a foreign namespace comes there too. */
const AFTER_DEVICES = new Set(['seclabel', 'keywrap', 'launchSecurity']);

/** The splices that put what `render` writes where libvirt would put a new last disk, indented as its neighbours. */
export function planInsertion(domain: DomainDocument, render: Render): Splice[] {
  const { text, devices, disks } = domain;
  const home = devices.find((candidate) => candidate.literal);
  const neighbour = disks.findLast((disk) => disk.literal) ?? (home && literalChild(home, 'emulator'));
  if (neighbour !== undefined) return [insertAfter(text, neighbour, render)];
  if (home !== undefined) return insertFirst(text, home, render);
  if (devices.length > 0) throw new DomainXmlError('<devices> comes from an entity: edit it by hand');
  return insertDevices(domain, render);
}

/** The splices that take out a child and what `planInsertion` made for it. */
export function planRemoval(text: string, element: Element): Splice[] {
  const start = blanksBefore(text, element.start);
  const { parent } = element;
  const removal = { start, end: element.end, insert: '' };
  if (parent === null) return [removal];
  const blanks = text.slice(start, element.start);
  const before = text.slice(parent.openEnd, start);
  const behind = text.slice(element.end, parent.closeStart);
  if (localName(parent) === 'devices' && isSignOfNoDevices(blanks) && isBlank(before + behind)) {
    return planRemoval(text, parent);
  }
  if (before + behind !== '' || blanks === '') return [removal];
  return [{ start: parent.openEnd - 1, end: parent.end, insert: '/>' }];
}

function literalChild(parent: Element, name: string): Element | undefined {
  const child = childNamed(parent, name);
  return child?.literal ? child : undefined;
}

function insertAfter(text: string, neighbour: Element, render: Render): Splice {
  const blanks = text.slice(blanksBefore(text, neighbour.start), neighbour.start);
  const parent = neighbour.parent ?? neighbour;
  const at = hasNewline(blanks) ? skipRemarks(text, neighbour.end) : neighbour.end;
  return { start: at, end: at, insert: blanks + render(layoutAfter(text, blanks, parent)) };
}

function insertFirst(text: string, parent: Element, render: Render): Splice[] {
  if (parent.selfClosing) {
    const blanks = startsLine(text, parent) ? innerBlanks(text, parent) : ' ';
    const start = text.lastIndexOf('/', parent.openEnd - 1);
    const insert = `>${blanks}${render(layoutAfter(text, blanks, parent))}</${parent.name}>`;
    return [{ start, end: parent.openEnd, insert }];
  }
  const at = skipRemarks(text, parent.openEnd);
  const next = at + (/^[ \t\r\n]*/.exec(text.slice(at, parent.closeStart))?.[0].length ?? 0);
  const following = text.slice(at, next);
  if (!hasNewline(following)) return [firstOf(parent.openEnd, '')];
  return [firstOf(at, next === parent.closeStart ? innerBlanks(text, parent) : following)];

  function firstOf(place: number, blanks: string): Splice {
    return { start: place, end: place, insert: blanks + render(layoutAfter(text, blanks, parent)) };
  }
}

function insertDevices({ text, root }: DomainDocument, render: Render): Splice[] {
  const prefix = prefixOf(root);
  const own = namespaceOf(root);
  const neighbour = root.children.findLast(
    (child) => child.literal && namespaceOf(child) === own && !AFTER_DEVICES.has(localName(child)),
  );
  const renderDevices: Render = ({ indent = '', unit = '', newline = '' }) => {
    const [blanks, trail] =
      newline === '' ? ['  ', ''] : [newline + newline + indent + unit, newline + indent];
    const disk = render({ indent: indent + unit, unit, newline, prefix });
    return `<${prefix}devices>${blanks}${disk}${trail}</${prefix}devices>`;
  };
  return neighbour === undefined
    ? insertFirst(text, root, renderDevices)
    : [insertAfter(text, neighbour, renderDevices)];
}

function isSignOfNoDevices(blanks: string): boolean {
  return blanks === '  ' || (blanks.match(/\r\n|\r|\n/g)?.length ?? 0) > 1;
}

function layoutAfter(text: string, blanks: string, parent: Element): DiskLayout {
  const prefix = prefixOf(parent);
  const newline = lastNewline(blanks);
  if (newline === undefined) return { newline: '', prefix };
  const indent = blanks.slice(blanks.lastIndexOf(newline) + newline.length);
  const outer = lineIndent(text, parent);
  const unit =
    indent.startsWith(outer) && indent !== outer
      ? indent.slice(outer.length)
      : indent.includes('\t')
        ? '\t'
        : '  ';
  return { indent, unit, newline, prefix };
}

/** Comments on the rest of the line belong to what stands before them. */
function skipRemarks(text: string, from: number): number {
  let at = from;
  for (;;) {
    const opening = /^[ \t]*<!--/.exec(text.slice(at, at + 1_000))?.[0];
    if (opening === undefined) return at;
    const end = text.indexOf('-->', at + opening.length);
    if (end === -1 || hasNewline(text.slice(at, end))) return at;
    at = end + '-->'.length;
  }
}

/** A line of its own inside `parent`, one level deeper. */
function innerBlanks(text: string, parent: Element): string {
  const newline = /\r\n|\r|\n/.exec(text)?.[0] ?? '\n';
  const outer = lineIndent(text, parent);
  return newline + outer + (outer.includes('\t') ? '\t' : '  ');
}

/** The indentation of the line an element starts, or nothing if it starts none. */
function lineIndent(text: string, element: Element): string {
  return startsLine(text, element) ? text.slice(lineStart(text, element.start), element.start) : '';
}

function startsLine(text: string, { start }: Element): boolean {
  return hasNewline(text) && isBlank(text.slice(lineStart(text, start), start));
}

function lineStart(text: string, at: number): number {
  return at === 0 ? 0 : Math.max(text.lastIndexOf('\n', at - 1), text.lastIndexOf('\r', at - 1)) + 1;
}

function blanksBefore(text: string, end: number): number {
  let start = end;
  while (start > 0 && ' \t\r\n'.includes(text.charAt(start - 1))) start -= 1;
  return start;
}

function lastNewline(blanks: string): string | undefined {
  return blanks.match(/\r\n|\r|\n/g)?.at(-1);
}

function hasNewline(text: string): boolean {
  return /[\r\n]/.test(text);
}

function isBlank(text: string): boolean {
  return /^[ \t\r\n\uFEFF]*$/.test(text);
}

import { DomainXmlError } from './domain-xml-error.ts';

/** A general entity as the internal subset declares it. */
export type EntityDeclaration =
  | { readonly kind: 'internal'; readonly value: string }
  | { readonly kind: 'external' }
  | { readonly kind: 'unparsed' };

/** What a document type declaration says about entities. */
export interface Doctype {
  readonly start: number;
  readonly end: number;
  readonly entities: ReadonlyMap<string, EntityDeclaration>;
  /** True if an external subset or a parameter entity, neither of which is read, may declare more entities. */
  readonly incomplete: boolean;
}

const NAME = String.raw`[\p{L}\p{Nl}_:][^\s<>&;%'"=/[\]()|,*+?!]*`;
const LITERAL = String.raw`(?:"[^"]*"|'[^']*')`;
const EXTERNAL_ID = String.raw`(?:SYSTEM\s+${LITERAL}|PUBLIC\s+${LITERAL}\s+${LITERAL})`;
const DECLARATION_BODY = String.raw`(?:[^<>"']|${LITERAL})*`;

const SPACE = /[ \t\r\n]+/y;
const HEAD = new RegExp(String.raw`<!DOCTYPE\s+${NAME}(?:\s+(${EXTERNAL_ID}))?\s*`, 'uy');
const ENTITY = new RegExp(
  String.raw`<!ENTITY\s+(${NAME})\s+(?:(${LITERAL})|${EXTERNAL_ID}(\s+NDATA\s+${NAME})?)\s*>`,
  'uy',
);
const PARAMETER_ENTITY = new RegExp(
  String.raw`<!ENTITY\s+%\s+${NAME}\s+(?:${LITERAL}|${EXTERNAL_ID})\s*>`,
  'uy',
);
const PARAMETER_REFERENCE = new RegExp(`%${NAME};`, 'uy');
const OTHER_DECLARATION = new RegExp(
  String.raw`<!(?:ELEMENT|ATTLIST|NOTATION)\s+${NAME}\s${DECLARATION_BODY}>`,
  'uy',
);
const SUBSET_END = /\]\s*/y;

/**
 * Finds the document type declaration of a document and reads its internal subset. Nothing external is ever opened.
 * Source: Extensible Markup Language 1.0, 2.8 and 4.2.
 * @returns null if the document has none.
 * @throws DomainXmlError if it is malformed.
 */
export function readDoctype(text: string): Doctype | null {
  const cursor = new Cursor(text, text.startsWith('\uFEFF') ? 1 : 0);
  while (cursor.eatAside());
  const start = cursor.at;
  if (!text.startsWith('<!DOCTYPE', start)) return null;
  const head = cursor.eat(HEAD) ?? cursor.fail();
  const entities = new Map<string, EntityDeclaration>();
  let incomplete = head[1] !== undefined;
  if (text[cursor.at] === '[') {
    cursor.at += 1;
    while (!cursor.eat(SUBSET_END)) incomplete = readDeclaration(cursor, entities) || incomplete;
  }
  if (text[cursor.at] !== '>') cursor.fail();
  return { start, end: cursor.at + 1, entities, incomplete };
}

/** Reads one declaration or separator; true if it may hide further declarations. */
function readDeclaration(cursor: Cursor, entities: Map<string, EntityDeclaration>): boolean {
  const entity = cursor.eat(ENTITY);
  if (entity !== null) {
    const [, name = '', literal, notation] = entity;
    if (literal?.includes('%')) cursor.fail();
    // The first declaration of a name is the binding one.
    if (!entities.has(name)) entities.set(name, declarationOf(literal, notation));
    return false;
  }
  if (cursor.eat(PARAMETER_REFERENCE)) return true;
  if (cursor.eatAside() || cursor.eat(PARAMETER_ENTITY) || cursor.eat(OTHER_DECLARATION)) return false;
  return cursor.fail();
}

function declarationOf(literal: string | undefined, notation: string | undefined): EntityDeclaration {
  if (literal === undefined) return { kind: notation === undefined ? 'external' : 'unparsed' };
  return { kind: 'internal', value: expandCharacterReferences(literal.slice(1, -1)) };
}

/** Character references in an entity's value are replaced where it is declared, general entities where it is used. */
function expandCharacterReferences(value: string): string {
  return value.replace(/&#(?:x([0-9a-fA-F]+)|([0-9]+));/g, (_, hex: string | undefined, decimal: string) =>
    characterOf(hex === undefined ? Number.parseInt(decimal, 10) : Number.parseInt(hex, 16)),
  );
}

/** The character of a code point that XML allows. */
export function characterOf(code: number): string {
  const allowed =
    code === 9 ||
    code === 10 ||
    code === 13 ||
    (code >= 0x20 && code <= 0xd7ff) ||
    (code >= 0xe000 && code <= 0xfffd) ||
    (code >= 0x10000 && code <= 0x10ffff);
  if (!allowed) throw new DomainXmlError('not well-formed XML: a character reference names no XML character');
  return String.fromCodePoint(code);
}

class Cursor {
  readonly text: string;
  at: number;

  constructor(text: string, at: number) {
    this.text = text;
    this.at = at;
  }

  /** Moves past a sticky pattern if it matches here. */
  eat(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.text);
    if (match !== null) this.at += match[0].length;
    return match;
  }

  /** Moves past space, a comment or a processing instruction; false if none begins here. */
  eatAside(): boolean {
    return this.eat(SPACE) !== null || this.#eatQuoted('<!--', '-->') || this.#eatQuoted('<?', '?>');
  }

  #eatQuoted(opening: string, closing: string): boolean {
    if (!this.text.startsWith(opening, this.at)) return false;
    const close = this.text.indexOf(closing, this.at + opening.length);
    if (close === -1) this.fail();
    this.at = close + closing.length;
    return true;
  }

  fail(): never {
    const line = this.text.slice(0, this.at).split(/\r\n|\r|\n/).length;
    throw new DomainXmlError(`not well-formed XML: line ${line}: malformed prolog`);
  }
}

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

const S = String.raw`[ \t\r\n]+`;
const NAME_START = String.raw`:A-Z_a-z\xC0-\xD6\xD8-\xF6\xF8-\u02FF\u0370-\u037D\u037F-\u1FFF\u200C\u200D\u2070-\u218F\u2C00-\u2FEF\u3001-\uD7FF\uF900-\uFDCF\uFDF0-\uFFFD\u{10000}-\u{EFFFF}`;
const NAME = String.raw`[${NAME_START}][${NAME_START}\-.0-9\xB7\u0300-\u036F\u203F\u2040]*`;
const LITERAL = String.raw`(?:"[^"]*"|'[^']*')`;
const EXTERNAL_ID = `(?:SYSTEM${S}${LITERAL}|PUBLIC${S}${LITERAL}${S}${LITERAL})`;
const CHOICE = String.raw`\([^<>&"'()]*\)`;
const ATTRIBUTE_TYPE = `(?:CDATA|IDREFS?|ID|ENTITY|ENTITIES|NMTOKENS?|(?:NOTATION${S})?${CHOICE})`;
const ATTRIBUTE_DEFAULT = `(?:#REQUIRED|#IMPLIED|(?:#FIXED${S})?(?:"[^"<]*"|'[^'<]*'))`;

const SPACE = sticky(S);
const HEAD = sticky(`<!DOCTYPE${S}${NAME}(?:${S}(${EXTERNAL_ID}))?[ \t\r\n]*`);
const ENTITY = sticky(
  `<!ENTITY${S}(${NAME})${S}(?:(${LITERAL})|${EXTERNAL_ID}(${S}NDATA${S}${NAME})?)[ \t\r\n]*>`,
);
const PARAMETER_ENTITY = sticky(`<!ENTITY${S}%${S}${NAME}${S}(?:${LITERAL}|${EXTERNAL_ID})[ \t\r\n]*>`);
const PARAMETER_REFERENCE = sticky(`%${NAME};`);
const OTHER_DECLARATIONS = [
  sticky(`<!ELEMENT${S}${NAME}${S}(?:EMPTY|ANY|\\([^<>&"']*\\)[?*+]?)[ \t\r\n]*>`),
  sticky(`<!ATTLIST${S}${NAME}(?:${S}${NAME}${S}${ATTRIBUTE_TYPE}${S}${ATTRIBUTE_DEFAULT})*[ \t\r\n]*>`),
  sticky(`<!NOTATION${S}${NAME}${S}(?:${EXTERNAL_ID}|PUBLIC${S}${LITERAL})[ \t\r\n]*>`),
];
const SUBSET_END = sticky('\\][ \t\r\n]*');
const ENTITY_VALUE = new RegExp(`^(?:[^%&]|&${NAME};|&#[0-9]+;|&#x[0-9a-fA-F]+;)*$`, 'u');
const INSTRUCTION_TARGET = new RegExp(`^<\\?(?![xX][mM][lL][ \t\r\n?])${NAME}(?:[ \t\r\n]|\\?>)`, 'u');
const NO_XML_CHARACTER = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/u;

function sticky(pattern: string): RegExp {
  return new RegExp(pattern, 'uy');
}

/**
 * Finds the document type declaration of a document and reads its internal subset. Nothing external is ever opened.
 * Source: Extensible Markup Language 1.0, 2.8 and 4.2.
 * @returns null if the document has none.
 * @throws DomainXmlError if it is malformed.
 */
export function readDoctype(text: string): Doctype | null {
  const cursor = new Cursor(text, text.startsWith('\uFEFF') ? 1 : 0);
  // The declaration of XML itself is the parser's to check; it ends as an instruction does.
  if (text.startsWith('<?xml', cursor.at)) cursor.skipTo('?>');
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
  if (text[cursor.at] !== '>' || NO_XML_CHARACTER.test(text.slice(start, cursor.at))) cursor.fail();
  return { start, end: cursor.at + 1, entities, incomplete };
}

/** Reads one declaration or separator; true if it may hide further declarations. */
function readDeclaration(cursor: Cursor, entities: Map<string, EntityDeclaration>): boolean {
  const entity = cursor.eat(ENTITY);
  if (entity !== null) {
    const [, name = '', literal, notation] = entity;
    if (literal !== undefined && !ENTITY_VALUE.test(literal.slice(1, -1))) cursor.fail();
    // The first declaration of a name is the binding one.
    if (!entities.has(name)) entities.set(name, declarationOf(literal, notation));
    return false;
  }
  if (cursor.eat(PARAMETER_REFERENCE)) return true;
  if (cursor.eatAside() || cursor.eat(PARAMETER_ENTITY)) return false;
  if (OTHER_DECLARATIONS.some((declaration) => cursor.eat(declaration))) return false;
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
    const from = this.at;
    if (this.eat(SPACE) !== null) return true;
    if (this.text.startsWith('<!--', from)) {
      this.at += '<!--'.length;
      this.skipTo('-->');
      if (this.text.indexOf('--', from + '<!--'.length) !== this.at - '-->'.length) this.fail();
      return true;
    }
    if (!this.text.startsWith('<?', from)) return false;
    this.skipTo('?>');
    if (!INSTRUCTION_TARGET.test(this.text.slice(from, this.at))) this.fail();
    return true;
  }

  /** Moves past the next occurrence of a closing mark. */
  skipTo(closing: string): void {
    const close = this.text.indexOf(closing, this.at);
    if (close === -1) this.fail();
    this.at = close + closing.length;
  }

  fail(): never {
    const line = this.text.slice(0, this.at).split(/\r\n|\r|\n/).length;
    throw new DomainXmlError(`not well-formed XML: line ${line}: malformed prolog`);
  }
}

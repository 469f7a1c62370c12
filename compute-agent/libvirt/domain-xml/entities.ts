import { characterOf, type Doctype } from './doctype.ts';
import { DomainXmlError } from './domain-xml-error.ts';

/** Far beyond any real document, far below what an exponential expansion needs to hurt. */
const MAX_EXPANDED_CHARACTERS = 1_000_000;
const MAX_DEPTH = 32;

const PREDEFINED: ReadonlyMap<string, string> = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
]);

/** Where a reference stands: in an attribute's value no element may come out of it. */
type Place = 'attribute' | 'content';

/** Resolves the entity references of one document within a budget, so that no document can blow up. */
export class Entities {
  readonly #doctype: Doctype | null;
  readonly #open: string[] = [];
  #expanded = 0;

  constructor(doctype: Doctype | null) {
    this.#doctype = doctype;
  }

  /**
   * The replacement of a reference. Markup in the replacement text of content is handed to `readMarkup`, which returns
   * the character data. What is external, or may be declared where nobody reads, counts as empty.
   * @throws DomainXmlError for an undefined, recursive, unparsed or exploding entity.
   */
  resolve(name: string, place: Place, readMarkup: (replacement: string) => string): string {
    const predefined = PREDEFINED.get(name);
    if (predefined !== undefined) return predefined;
    const declaration = this.#doctype?.entities.get(name);
    if (declaration === undefined) {
      if (this.#doctype?.incomplete) return '';
      throw new DomainXmlError(`not well-formed XML: entity &${name}; is not defined`);
    }
    if (declaration.kind === 'external' && place === 'content') return '';
    if (declaration.kind !== 'internal') {
      throw new DomainXmlError(`not well-formed XML: &${name}; cannot stand here, it is ${declaration.kind}`);
    }
    const { value } = declaration;
    return this.#within(name, value, () => {
      if (place === 'attribute') return this.#expandAttribute(value);
      return /[<&]/.test(value) ? readMarkup(value) : value;
    });
  }

  #within(name: string, value: string, expand: () => string): string {
    if (this.#open.includes(name)) {
      throw new DomainXmlError(`not well-formed XML: entity &${name}; contains itself`);
    }
    this.#expanded += value.length;
    if (this.#expanded > MAX_EXPANDED_CHARACTERS || this.#open.length >= MAX_DEPTH) {
      throw new DomainXmlError('the entities of this document expand beyond all measure');
    }
    this.#open.push(name);
    const result = expand();
    this.#open.pop();
    return result;
  }

  #expandAttribute(value: string): string {
    if (value.includes('<')) throw new DomainXmlError('not well-formed XML: an attribute contains "<"');
    return value.replace(/&(?:#x([0-9a-fA-F]+)|#([0-9]+)|([^;&\s]+));|&/g, (_, hex, decimal, name) => {
      if (hex !== undefined) return characterOf(Number.parseInt(hex, 16));
      if (decimal !== undefined) return characterOf(Number.parseInt(decimal, 10));
      if (name !== undefined) return this.resolve(name, 'attribute', () => '');
      throw new DomainXmlError('not well-formed XML: an entity contains a stray "&"');
    });
  }
}

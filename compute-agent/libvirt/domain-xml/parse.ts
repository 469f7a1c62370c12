import { SaxesParser } from 'saxes';
import { readDoctype } from './doctype.ts';
import { DomainXmlError } from './domain-xml-error.ts';
import type { Element } from './element.ts';
import { Entities } from './entities.ts';

/** libxml2, and so libvirt, reads no deeper than 256. */
const MAX_DEPTH = 1_000;

const PLACELESS: Omit<Element, 'children'> = {
  name: '',
  attributes: {},
  parent: null,
  text: '',
  literal: false,
  selfClosing: false,
  start: 0,
  openEnd: 0,
  closeStart: 0,
  end: 0,
};

/**
 * Reads a document into elements with their places in the text. Nothing outside the text is read.
 * @throws DomainXmlError with line and column if it isn't well-formed, or if its entities explode.
 */
export function parseXml(text: string): Element {
  const doctype = readDoctype(text);
  const entities = new Entities(doctype);
  // saxes knows neither entity declarations nor all of the internal subset's syntax: it gets blanks of the same length.
  const body =
    doctype === null
      ? text
      : text.slice(0, doctype.start) +
        text.slice(doctype.start, doctype.end).replace(/[^\r\n]/g, ' ') +
        text.slice(doctype.end);
  const root = readInto(null, body, entities, true).children[0];
  if (root === undefined) throw new DomainXmlError('not well-formed XML: the document is empty');
  return root;
}

/**
 * Reads `text` as children of `parent`, or as a whole document if there is none. The element returned stands for the
 * text as a whole: it holds the top-level elements and their character data.
 */
function readInto(parent: Element | null, text: string, entities: Entities, literal: boolean): Element {
  const parser = new SaxesParser({ xmlns: false, fragment: parent !== null });
  const holder: Element = { ...PLACELESS, children: [] };
  const open: Element[] = [holder];
  const current = (): Element => open.at(-1) ?? holder;
  let inTag = false;
  let start = 0;

  // A proxy, so that it is known where each reference stands.
  parser.ENTITIES = new Proxy<Record<string, string>>(
    {},
    {
      get: (_, name) =>
        entities.resolve(String(name), inTag ? 'attribute' : 'content', (replacement) => {
          const scope = open.length > 1 ? current() : parent;
          const brought = readInto(scope, replacement, entities, false);
          current().children.push(...brought.children);
          return brought.text;
        }),
    },
  );
  parser.on('opentagstart', () => {
    inTag = true;
    start = text.lastIndexOf('<', parser.position - 1);
  });
  parser.on('opentag', (tag) => {
    inTag = false;
    const openEnd = parser.position;
    const element: Element = {
      name: tag.name,
      attributes: tag.attributes,
      parent: open.length > 1 ? current() : parent,
      children: [],
      text: '',
      literal,
      selfClosing: tag.isSelfClosing,
      start,
      openEnd,
      closeStart: openEnd,
      end: openEnd,
    };
    current().children.push(element);
    open.push(element);
    if (open.length > MAX_DEPTH)
      throw new DomainXmlError('the elements of this document are nested too deeply');
  });
  parser.on('closetag', (tag) => {
    const element = current();
    element.end = parser.position;
    if (!tag.isSelfClosing) element.closeStart = text.lastIndexOf('</', parser.position - 1);
    open.pop();
  });
  const addText = (data: string): void => {
    current().text += data;
  };
  parser.on('text', addText);
  parser.on('cdata', addText);
  try {
    parser.write(text).close();
  } catch (error) {
    if (error instanceof DomainXmlError) throw error;
    throw new DomainXmlError(`not well-formed XML: ${error instanceof Error ? error.message : 'unreadable'}`);
  }
  return holder;
}

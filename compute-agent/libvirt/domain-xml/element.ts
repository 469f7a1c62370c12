/**
 * One element of a parsed document with its place in the source text.
 * Offsets are UTF-16 code units: `start` is the `<` of the start tag, `openEnd` follows its `>`,
 * `closeStart` is the `<` of the end tag, `end` follows that tag's `>`.
 */
export interface Element {
  /** The name as written, prefix included. */
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly parent: Element | null;
  readonly children: Element[];
  /** Character data directly inside, entities and CDATA resolved, children left out. */
  text: string;
  /** False for what an entity's replacement text brought in: such an element has no place in the source. */
  readonly literal: boolean;
  readonly selfClosing: boolean;
  readonly start: number;
  readonly openEnd: number;
  closeStart: number;
  end: number;
}

/** The prefix as written, colon included (`qemu:`), or the empty string. */
export function prefixOf(element: Element): string {
  return element.name.slice(0, element.name.indexOf(':') + 1);
}

/** The name without its prefix. */
export function localName(element: Element): string {
  return element.name.slice(element.name.indexOf(':') + 1);
}

/**
 * The namespace of an element's own name, the empty string for none. A prefix that nobody declared counts as
 * a namespace of its own: such a document is well-formed, libvirt reads it, and the element isn't libvirt's.
 */
export function namespaceOf(element: Element): string {
  const prefix = prefixOf(element);
  const declaration = prefix === '' ? 'xmlns' : `xmlns:${prefix.slice(0, -1)}`;
  for (let scope: Element | null = element; scope !== null; scope = scope.parent) {
    const uri = scope.attributes[declaration];
    if (uri !== undefined) return uri;
  }
  return prefix;
}

/** Children of that local name in the parent's own namespace, in document order. */
export function childrenNamed(parent: Element, name: string): Element[] {
  const namespace = namespaceOf(parent);
  return parent.children.filter((child) => localName(child) === name && namespaceOf(child) === namespace);
}

/** The first such child, or undefined. */
export function childNamed(parent: Element, name: string): Element | undefined {
  return childrenNamed(parent, name)[0];
}

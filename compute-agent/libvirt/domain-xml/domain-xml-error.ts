/** A domain XML document, or a request about one, that cannot be carried out; the message is one line for a person. */
export class DomainXmlError extends Error {
  override readonly name = 'DomainXmlError';
}

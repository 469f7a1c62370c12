/** What must not be done because it would harm others; another try cannot mend it. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
}

import assert from 'node:assert/strict';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

type Json = Readonly<Record<string, unknown>>;

interface Operation {
  readonly operationId: string;
  readonly responses: Readonly<Record<string, Response | { readonly $ref: string }>>;
}
interface Response {
  readonly content?: Readonly<Record<string, { readonly schema?: Json }>>;
}
type Paths = Readonly<Record<string, Readonly<Record<string, Operation>>>>;

/** Requests whose answers are held against `/openapi.json`. */
export class Described {
  readonly #document: Json;
  readonly #ajv: Ajv2020;
  readonly #checks = new Map<string, ValidateFunction>();
  /** How often each operation has answered; by its id. */
  readonly answered = new Map<string, number>();

  constructor(document: Json) {
    this.#document = document;
    // Formats are documentation, and OpenAPI has words of its own.
    this.#ajv = new Ajv2020({ strict: false, validateFormats: false });
    this.#ajv.addSchema({ $id: 'openapi', ...document });
  }

  /** As the global one, but fails where an answer is not what the document says. */
  readonly fetch: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    const { method } = new Request(input, init);
    await this.#check(method, new URL(response.url).pathname, response.clone());
    return response;
  };

  async #check(method: string, path: string, response: globalThis.Response): Promise<void> {
    const { status } = response;
    const [template, operation] = this.#operation(method, path);
    const { operationId } = operation;
    this.answered.set(operationId, (this.answered.get(operationId) ?? 0) + 1);
    const key = String(status) in operation.responses ? String(status) : 'default';
    if (key === 'default') assert.ok(status >= 400, `${operationId} says nothing of ${status}`);
    const said = operation.responses[key]!;
    const answer = '$ref' in said ? (this.#at(said.$ref) as Response) : said;
    const text = await response.text();
    if (answer.content === undefined) return assert.equal(text, '', `${operationId} ${status}`);
    // Of the actions of one path some answer nothing where others answer something.
    if (text === '' && path.endsWith('/action')) return;
    const place =
      '$ref' in said ? said.$ref : `#/paths/${escape(template)}/${method.toLowerCase()}/responses/${key}`;
    const valid = this.#validator(`openapi${place}/content/${escape('application/json')}/schema`);
    assert.ok(
      valid(JSON.parse(text)),
      `${operationId} ${status}: ${JSON.stringify(valid.errors)} in ${text.slice(0, 2_000)}`,
    );
  }

  /** A fixed part of a path wins over a parameter. */
  #operation(method: string, path: string): [string, Operation] {
    const fits = (template: string): boolean =>
      new RegExp(`^${template.replaceAll('.', '\\.').replaceAll(/\{[^}]+\}/g, '[^/]+')}$`).test(path);
    const templates = Object.entries(this.#document['paths'] as Paths)
      .filter(([template, methods]) => fits(template) && method.toLowerCase() in methods)
      .toSorted(([a], [b]) => a.split('{').length - b.split('{').length);
    const [found] = templates;
    assert.ok(found !== undefined, `${method} ${path} is in no document`);
    return [found[0], found[1][method.toLowerCase()]!];
  }

  #at(reference: string): unknown {
    return reference
      .replace(/^#\//, '')
      .split('/')
      .reduce<unknown>((value, part) => (value as Json)[part], this.#document);
  }

  #validator(reference: string): ValidateFunction {
    const known = this.#checks.get(reference) ?? this.#ajv.compile({ $ref: reference });
    this.#checks.set(reference, known);
    return known;
  }
}

/** A part of a JSON pointer that stands in a URL. */
function escape(part: string): string {
  return encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'));
}

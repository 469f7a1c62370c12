import type { Method, Route } from './route.ts';

/** The routes of one method on one path: a single one, or those that the body's key tells apart. */
export interface Endpoint {
  readonly route: Route | undefined;
  readonly actions: ReadonlyMap<string, Route> | undefined;
  readonly paramNames: readonly string[];
}

export interface Match {
  /** Undefined: the path exists, but not with this method. */
  readonly endpoint: Endpoint | undefined;
  readonly allowed: readonly Method[];
  /** In the order of the endpoint's `paramNames`, still percent-encoded. */
  readonly values: readonly string[];
}

interface Node {
  readonly statics: Map<string, Node>;
  param: Node | undefined;
  readonly methods: Map<Method, Endpoint>;
}

/** Finds the route of a path in one walk over its segments; a fixed segment wins over a parameter. */
export class Router {
  readonly #root = createNode();

  constructor(routes: readonly Route[]) {
    for (const route of routes) this.#add(route);
  }

  /** True when a path may begin with this segment. */
  hasRoot(segment: string): boolean {
    return this.#root.statics.has(segment);
  }

  /** @param segments the path's parts after the API's root, still percent-encoded. */
  match(method: Method | undefined, segments: readonly string[], start: number): Match | undefined {
    const values: string[] = [];
    let node = this.#root;
    for (let i = start; i < segments.length; i++) {
      const segment = segments[i] ?? '';
      const fixed = node.statics.get(segment);
      if (fixed !== undefined) {
        node = fixed;
      } else if (node.param !== undefined && segment !== '') {
        values.push(segment);
        node = node.param;
      } else {
        return undefined;
      }
    }
    if (node.methods.size === 0) return undefined;
    const endpoint = method === undefined ? undefined : node.methods.get(method);
    return { endpoint, allowed: [...node.methods.keys()], values };
  }

  #add(route: Route): void {
    let node = this.#root;
    const paramNames: string[] = [];
    for (const segment of route.path.split('/').slice(1)) {
      if (segment.startsWith('{')) {
        paramNames.push(segment.slice(1, -1));
        node.param ??= createNode();
        node = node.param;
      } else {
        const next = node.statics.get(segment) ?? createNode();
        node.statics.set(segment, next);
        node = next;
      }
    }
    const known = node.methods.get(route.method);
    if (route.action === undefined) {
      if (known !== undefined) throw new Error(`two routes for ${route.method} ${route.path}`);
      node.methods.set(route.method, { route, actions: undefined, paramNames });
    } else {
      const actions = new Map(known?.actions).set(route.action, route);
      node.methods.set(route.method, { route: undefined, actions, paramNames });
    }
  }
}

function createNode(): Node {
  return { statics: new Map(), param: undefined, methods: new Map() };
}

import type { HostName, PoolName } from './ids.ts';

/** `host@backend#pool`: Cinder's name of a pool, taken apart. */
export interface PoolParts {
  readonly agent: HostName;
  readonly backend: string;
  readonly backendName: string;
}

export function poolName({ agent, backend, backendName }: PoolParts): PoolName {
  return `${agent}@${backend}#${backendName}` as PoolName;
}

/** @throws Error when the text is no pool name; ours are made by `poolName` alone. */
export function poolParts(name: PoolName): PoolParts {
  const match = /^([^@#]+)@([^@#]+)#([^#]+)$/.exec(name);
  if (match === null) throw new Error(`${name} is not a pool name (host@backend#pool)`);
  const [, agent, backend, backendName] = match as unknown as [string, string, string, string];
  return { agent: agent as HostName, backend, backendName };
}

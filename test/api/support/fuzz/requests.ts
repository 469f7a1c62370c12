import * as fc from 'fast-check';
import type { Route } from '#api/http/route.ts';
import { imageRoutes } from '#api/image/routes.ts';
import { blockStorageRoutes, computeRoutes } from '#api/routes.ts';
import { OTHER_PROJECT, PROJECT, type Who } from '../api.ts';
import { bodyFor } from './bodies.ts';
import type { Seed } from './seed.ts';
import { mostly, query, text } from './values.ts';

const TARGETS = [
  ...blockStorageRoutes.map((route) => ({ route, prefix: `/v3/${PROJECT}`, latest: 'volume 3.71' })),
  ...computeRoutes.map((route) => ({ route, prefix: '/compute/v2.1', latest: 'compute 2.93' })),
  // Image data are no JSON: they have tests of their own.
  ...imageRoutes
    .filter(({ path }) => !path.endsWith('/file'))
    .map((route) => ({ route, prefix: '/image/v2', latest: 'image' })),
];

/** What stands for the right id, by the path's first word or the parameter's name. */
const IDS: Readonly<Record<string, readonly string[]>> = {
  volumes: ['@volume0', '@volume1', '@volume2', '@foreign'],
  volume_id: ['@volume0', '@volume1'],
  types: ['@type'],
  'qos-specs': ['@qos'],
  attachments: ['@attachment'],
  operations: ['@operation'],
  messages: ['@operation'],
  snapshots: ['@snapshot0', '@snapshot1', '@foreignsnapshot'],
  images: ['@image0', '@image1', '@foreignimage'],
  tag: ['tag'],
  member_id: [PROJECT, OTHER_PROJECT],
  servers: ['@server', '@own'],
  server_id: ['@server', '@own'],
  flavors: ['1', '@flavor'],
  key: ['key'],
  project: [PROJECT],
};

/** Of what the seed has none, this is as right as any. */
const NOTHING = '00000000-0000-4000-8000-000000000000';

export interface Drawn {
  readonly target: number;
  readonly path: string;
  readonly who: Who;
  readonly version: string;
  readonly type: string;
  readonly body: string | null;
}

function pathOf(route: Route): fc.Arbitrary<string> {
  const parts = route.path.split('/').slice(1);
  const root = parts[0] ?? '';
  const drawn = parts.map((part) => {
    if (!part.startsWith('{')) return fc.constant(part);
    const right = IDS[part.slice(1, -1)] ?? IDS[root] ?? [NOTHING];
    return mostly(5, fc.constantFrom(...right), text.map(encodeOdd));
  });
  return fc.tuple(...drawn).map((segments) => `/${segments.join('/')}`);
}

/** As a client would, or raw as far as a URL can carry it. */
function encodeOdd(part: string): string {
  if (part.includes('%') || !part.isWellFormed()) {
    return part.replaceAll(/[^\x21-\x7e]|[?#\\]/g, '%ff') || 'x';
  }
  return encodeURIComponent(part).replaceAll('.', '%2E') || 'x';
}

function queryText(pairs: readonly (readonly [string, string])[]): string {
  if (pairs.length === 0) return '';
  const encode = (part: string) =>
    part.startsWith('@') ? part : encodeURIComponent(part.toWellFormed().slice(0, 400));
  return `?${pairs.map(([name, value]) => `${encode(name)}=${encode(value)}`).join('&')}`;
}

/** Any request to any route of the table: mostly nearly right, so that it gets in deep. */
export const requests: fc.Arbitrary<Drawn> = fc.nat({ max: TARGETS.length - 1 }).chain((target) => {
  const { route, prefix, latest } = targetAt(target);
  return fc.record({
    target: fc.constant(target),
    path: fc.tuple(pathOf(route), query).map(([path, pairs]) => `${prefix}${path}${queryText(pairs)}`),
    who: fc.constantFrom<Who[]>('admin', 'admin', 'member', 'member', 'reader', 'stranger'),
    version: fc.oneof(
      { weight: 10, arbitrary: fc.constant(latest) },
      { weight: 3, arbitrary: fc.integer({ min: 0, max: 71 }).map((minor) => `volume 3.${minor}`) },
      {
        weight: 1,
        arbitrary: fc.constantFrom('volume latest', 'volume', 'volume 4.0', 'compute 2.1', 'x', ''),
      },
    ),
    type: mostly(
      12,
      fc.constant(route.consumes?.[0] ?? 'application/json'),
      fc.constantFrom('text/plain', 'application/json; charset=utf-16', ';;;'),
    ),
    body: bodyFor(route),
  });
});

export function targetAt(target: number): (typeof TARGETS)[number] {
  const found = TARGETS[target];
  if (found === undefined) throw new Error(`no target ${target}`);
  return found;
}

/** Puts the ids in that the database has at the moment. */
export function resolve(seed: Seed, drawn: string): string {
  return drawn.replaceAll(/@[a-z]+[0-9]?/g, (mark) => seed[mark] ?? mark);
}

import { setTimeout as sleep } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import type { Clock } from '#schema/clock.ts';
import type { ComputeInventory, StorageInventory } from '#schema/inventory.ts';
import type { Tables } from '#schema/tables.ts';
import type { AgentKind } from '#schema/tasks.ts';
import type { Questions } from '../questions.ts';
import { type Answer, askHosts, hostsOf } from './ask.ts';
import { compareCompute } from './compute.ts';
import { causeOf, compareDatabase } from './database.ts';
import type { Difference, Finding } from './difference.ts';
import { compareImages, type ImageFile } from './images.ts';
import { witnessesOf } from './own-data.ts';
import { newestOperations, type OperationRow, type Rows, readRows } from './rows.ts';
import { compareStorage } from './storage.ts';

interface Deps {
  readonly db: Kysely<Tables>;
  readonly questions: Pick<Questions, 'ask'>;
  readonly clock: Clock;
  /** Where image data are kept, if they are kept here. */
  readonly images: { readonly files: { list(): Promise<ImageFile[]> } | undefined };
}

/** A host that could not be compared, or not all of it: nothing on it is taken for gone. */
export interface UnknownHost {
  readonly kind: AgentKind;
  readonly host: string;
  readonly reason: string;
}

export interface Drift {
  readonly differences: readonly Difference[];
  readonly unknown: readonly UnknownHost[];
  /** Hosts that answered. */
  readonly looked: readonly { readonly kind: AgentKind; readonly host: string }[];
}

/** Between two looks, when the first has found something: what moves is not drift. */
const SECOND_LOOK_MS = 1_500;

/**
 * Compares MySQL with every host, or with one. MySQL is read before and after the hosts, and what is found is looked at
 * a second time: a difference is what all readings have, and no operation explains.
 */
export async function findDrift(deps: Deps, only?: string): Promise<Drift> {
  const first = await look(deps, only);
  if (first.findings.size === 0) return result(deps, first, first.findings);
  await sleep(SECOND_LOOK_MS);
  const second = await look(deps, only);
  return result(deps, second, both(first.findings, second.findings));
}

interface Look {
  readonly findings: ReadonlyMap<string, Placed>;
  readonly unknown: readonly UnknownHost[];
  readonly looked: Drift['looked'];
}

type Placed = Finding & { readonly host: string };

async function look({ db, questions, images, clock }: Deps, only: string | undefined): Promise<Look> {
  const before = await readRows(db);
  const hosts = hostsOf(before, only);
  const asked = await askHosts(questions, hosts);
  const told = new Map(asked.flatMap((answer) => storageOf(answer)));
  const witnesses = await askHosts(
    questions,
    witnessesOf(before, told).map((host) => ({ kind: 'storage', host })),
  );
  const inventories = new Map([...told, ...witnesses.flatMap((answer) => storageOf(answer))]);
  const files = only === undefined || only === 'mysql' ? await images.files?.list() : undefined;
  const after = await readRows(db);
  const compute = new Map<string, ComputeInventory>();
  const unknown: UnknownHost[] = [];
  for (const answer of asked) {
    const { kind, host } = answer;
    if (!('inventory' in answer)) unknown.push({ kind, host, reason: answer.reason });
    else if ('backends' in answer.inventory) {
      unknown.push(...partly(host, answer.inventory));
    } else compute.set(host, answer.inventory);
  }
  const silent = new Set(unknown.filter(({ kind }) => kind === 'compute').map(({ host }) => host));
  const compare = (rows: Rows): Map<string, Placed> => {
    const hypervisors = { answered: compute, silent };
    const all = [
      ...(only === undefined || only === 'mysql' ? place('mysql', compareDatabase(rows, clock.now())) : []),
      ...place('mysql', files === undefined ? [] : compareImages(rows, files)),
      ...[...told].flatMap(([host, inventory]) =>
        place(host, compareStorage(rows, host, inventory, inventories)),
      ),
      ...[...compute.keys()]
        .filter((host) => only === undefined || host === only)
        .flatMap((host) => place(host, compareCompute(rows, host, hypervisors))),
    ];
    return new Map(all.map((finding) => [idOf(finding), finding]));
  };
  return {
    findings: both(compare(before), compare(after)),
    unknown,
    looked: asked.flatMap((answer) =>
      'inventory' in answer ? [{ kind: answer.kind, host: answer.host }] : [],
    ),
  };
}

function storageOf(answer: Answer): [string, StorageInventory][] {
  return 'inventory' in answer && 'backends' in answer.inventory ? [[answer.host, answer.inventory]] : [];
}

/** What of a storage host could not be read. */
function partly(host: string, { backends, exportsError }: StorageInventory): UnknownHost[] {
  const reasons = [
    ...backends.flatMap(({ name, error }) => (error === null ? [] : [`backend ${name}: ${error}`])),
    ...(exportsError === null ? [] : [`target: ${exportsError}`]),
  ];
  return reasons.map((reason) => ({ kind: 'storage', host, reason }));
}

function place(host: string, findings: readonly Finding[]): Placed[] {
  return findings.map((finding) => ({ ...finding, host }));
}

function idOf({ host, kind, subject }: Placed): string {
  return `${host}:${kind}:${subject}`;
}

/** What is in both, as the second has it. */
function both(
  one: ReadonlyMap<string, Placed>,
  other: ReadonlyMap<string, Placed>,
): ReadonlyMap<string, Placed> {
  return new Map([...other].filter(([id]) => one.has(id)));
}

async function result(
  { db }: Deps,
  { unknown, looked }: Look,
  findings: ReadonlyMap<string, Placed>,
): Promise<Drift> {
  const volumes = [...new Set([...findings.values()].flatMap(({ volumeId }) => volumeId ?? []))];
  const newest = await newestOperations(db, volumes);
  const differences = [...findings].map(([id, finding]) =>
    difference(id, finding, newest.get(finding.volumeId ?? '')),
  );
  return {
    differences: differences
      .filter(({ kind, operationId, id }) => kind !== 'operation-stuck' || id.endsWith(operationId ?? '-'))
      .toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    unknown,
    looked,
  };
}

function difference(id: string, finding: Placed, newest: OperationRow | undefined): Difference {
  return {
    id,
    kind: finding.kind,
    host: finding.host,
    volumeId: finding.volumeId ?? null,
    snapshotId: finding.snapshotId ?? null,
    serverId: finding.serverId ?? null,
    attachmentId: finding.attachmentId ?? null,
    wanted: finding.wanted,
    found: finding.found,
    cause: finding.cause ?? (newest === undefined ? null : causeOf(newest)),
    operationId: newest?.id ?? null,
    repair: finding.repair,
    care: finding.care,
    action: finding.action ?? null,
  };
}

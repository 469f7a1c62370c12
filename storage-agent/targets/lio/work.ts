import {
  type ExportName,
  type ExportSpec,
  ensureExport,
  type Found,
  findExport,
  listTargets,
  removeExport,
} from './export.ts';
import { listExports, type NamedExport } from './inventory.ts';
import { FABRIC } from './layout.ts';
import { lingering } from './lingering.ts';
import { Refusal } from './refusal.ts';
import type { Tree } from './tree.ts';

/** What a helper process is asked: a whole export at a time, so that one message is enough. */
export type Work =
  | { readonly do: 'open' }
  | ({ readonly do: 'ensure' } & ExportSpec)
  | ({ readonly do: 'absent' } & ExportName)
  | ({ readonly do: 'find' } & Omit<ExportName, 'number'>)
  | { readonly do: 'lingering'; readonly iqn: string; readonly initiator: string }
  | { readonly do: 'targets' }
  | { readonly do: 'inventory' /** What the names of our targets begin with. */; readonly prefix: string };

/** What it answers to each kind. */
export interface Answers {
  readonly open: null;
  readonly ensure: null;
  readonly absent: null;
  readonly find: Found | null;
  /** Words. */
  readonly lingering: string | null;
  /** IQNs. */
  readonly targets: readonly string[];
  readonly inventory: readonly NamedExport[];
}

/** One line from the helper. */
export type Reply =
  | { readonly ok: Answers[keyof Answers] }
  | { readonly error: string /** Another try cannot mend it. */; readonly refused: boolean };

/** Does it, and never throws. */
export function carryOut(tree: Tree, work: Work): Reply {
  try {
    return { ok: ANSWER[work.do](tree, work as never) };
  } catch (error) {
    return {
      error: error instanceof Error ? error.message : 'unknown reason',
      refused: error instanceof Refusal,
    };
  }
}

const ANSWER: { readonly [K in Work['do']]: (tree: Tree, work: Extract<Work, { do: K }>) => Answers[K] } = {
  open(tree) {
    tree.mkdir(FABRIC);
    return null;
  },
  ensure(tree, work) {
    ensureExport(tree, work);
    return null;
  },
  absent(tree, work) {
    removeExport(tree, work);
    return null;
  },
  find: findExport,
  lingering: (tree, { iqn, initiator }) => lingering(tree, iqn, initiator),
  targets: listTargets,
  inventory: (tree, { prefix }) => listExports(tree, prefix),
};

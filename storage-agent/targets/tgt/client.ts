import { recorded } from '#agent/recording.ts';
import { limited } from '#queues/limited.ts';
import { shared } from './share.ts';
import { parseAccounts, parseConnections, parseTargets, type TgtConnection, type TgtTarget } from './show.ts';
import { exchange, MODE, OP, TgtError, type TgtRequest } from './wire.ts';

/** tgtd's operations, one exchange each; every one may throw TgtError. */
export interface TgtClient {
  targets(): Promise<TgtTarget[]>;
  connections(tid: number): Promise<TgtConnection[]>;
  closeConnection(tid: number, connection: TgtConnection): Promise<void>;
  createTarget(tid: number, name: string): Promise<void>;
  deleteTarget(tid: number): Promise<void>;
  /** An offline target takes no logins and drops commands; one that is ready does both. */
  setReady(tid: number, ready: boolean): Promise<void>;
  /** Adds a disk over this file or block device, through the page cache (`rdwr`: its flush is an fdatasync). */
  createLun(tid: number, lun: number, path: string): Promise<void>;
  deleteLun(tid: number, lun: number): Promise<void>;
  updateLun(tid: number, lun: number, params: Readonly<Record<string, string>>): Promise<void>;
  bindInitiator(tid: number, initiator: string): Promise<void>;
  unbindInitiator(tid: number, initiator: string): Promise<void>;
  unbindAddress(tid: number, address: string): Promise<void>;
  /** The names of all accounts, bound or not. */
  accounts(): Promise<string[]>;
  /** Accounts belong to the whole daemon; binding makes one valid for a target. */
  createAccount(username: string, secret: string): Promise<void>;
  /** Unbinds it everywhere, too. */
  deleteAccount(username: string): Promise<void>;
  bindAccount(tid: number, username: string): Promise<void>;
  unbindAccount(tid: number, username: string): Promise<void>;
}

const DEADLINE_MS = 10_000;
/** tgtd serves one request at a time and lets 32 wait (usr/mgmt.c); beyond that connecting fails. */
const MOST_AT_ONCE = 8;

/** @param socketPath tgtd's management socket, for example `/var/run/tgtd/socket.0`. */
export function createTgtClient(socketPath: string): TgtClient {
  const inTurn = limited(MOST_AT_ONCE);
  const ask = (request: TgtRequest): Promise<string> =>
    inTurn(() =>
      recorded({ program: 'tgtd', command: () => shown(request), exitCodeOf }, () =>
        exchange(socketPath, request, DEADLINE_MS),
      ),
    );
  const tell = async (request: TgtRequest): Promise<void> => {
    await ask(request);
  };
  return {
    // tgtd can only show all targets at once: at hundreds of exports that is most of the work.
    targets: shared(async () => parseTargets(await ask({ mode: MODE.target, op: OP.show }))),
    connections: async (tid) => parseConnections(await ask({ mode: MODE.connection, op: OP.show, tid })),
    closeConnection: (tid, { sid, cid }) => tell({ mode: MODE.connection, op: OP.delete, tid, sid, cid }),
    createTarget: (tid, name) =>
      tell({ mode: MODE.target, op: OP.create, tid, params: `targetname=${name}` }),
    deleteTarget: (tid) => tell({ mode: MODE.target, op: OP.delete, tid }),
    setReady: (tid, ready) =>
      tell({ mode: MODE.target, op: OP.update, tid, params: `state=${ready ? 'ready' : 'offline'}` }),
    createLun: (tid, lun, path) =>
      tell({ mode: MODE.device, op: OP.create, tid, lun, params: `path=${path},bstype=rdwr` }),
    deleteLun: (tid, lun) => tell({ mode: MODE.device, op: OP.delete, tid, lun }),
    updateLun: (tid, lun, params) =>
      tell({ mode: MODE.device, op: OP.update, tid, lun, params: `targetOps ${join(params)}` }),
    bindInitiator: (tid, initiator) =>
      tell({ mode: MODE.target, op: OP.bind, tid, params: `initiator-name=${initiator}` }),
    unbindInitiator: (tid, initiator) =>
      tell({ mode: MODE.target, op: OP.unbind, tid, params: `initiator-name=${initiator}` }),
    unbindAddress: (tid, address) =>
      tell({ mode: MODE.target, op: OP.unbind, tid, params: `initiator-address=${address}` }),
    accounts: async () => parseAccounts(await ask({ mode: MODE.account, op: OP.show })),
    createAccount: (username, secret) =>
      tell({ mode: MODE.account, op: OP.create, params: `user=${username},password=${secret}` }),
    deleteAccount: (username) => tell({ mode: MODE.account, op: OP.delete, params: `user=${username}` }),
    bindAccount: (tid, username) =>
      tell({ mode: MODE.account, op: OP.bind, tid, params: `user=${username}` }),
    unbindAccount: (tid, username) =>
      tell({ mode: MODE.account, op: OP.unbind, tid, params: `user=${username}` }),
  };
}

const MODES = new Map(Object.entries(MODE).map(([name, mode]) => [mode, name]));
const OPS = new Map(Object.entries(OP).map(([name, op]) => [op, name]));

/** As the timeline has it; an account's password, which comes last, is left out. */
function shown({ mode, op, tid, sid, cid, lun, params }: TgtRequest): string {
  const numbers = Object.entries({ tid, sid, cid, lun }).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`],
  );
  const rest = params === undefined ? [] : [params.replace(/password=.*$/s, 'password=***')];
  return ['tgtd:', MODES.get(mode), OPS.get(op), ...numbers, ...rest].join(' ');
}

function exitCodeOf(error: unknown): number {
  return error instanceof TgtError ? error.errno : 1;
}

function join(params: Readonly<Record<string, string>>): string {
  return Object.entries(params)
    .map(([name, value]) => `${name}=${value}`)
    .join(',');
}

import { z } from 'zod';
import { ProgramError } from '#agent/program-error.ts';
import type { Runner } from '#agent/run.ts';
import { TaskError } from '#schema/tasks.ts';
import { mappedAt, mappedName } from './device-id.ts';
import { classify } from './failure.ts';

/** The one way to LVM's commands, for one volume group. */
export interface LvmDoor {
  readonly group: string;
  /**
   * Runs a command that changes something.
   * @throws LvmFailure when LVM says one of the things that it names; otherwise ProgramError.
   */
  change(program: string, args: readonly string[]): Promise<void>;
  /** Runs `lvs` or `vgs` and gives its rows; a name that is not there gives no row when it is asked for by `-S`. */
  report(program: 'lvs' | 'vgs', fields: readonly string[], args: readonly string[]): Promise<Row[]>;
  /** `/dev/<group>/<volume>`, to whatever it may lead. */
  pathOf(name: string): string;
  /**
   * The path for whoever is to open it now. It is udev's link, which may be late, or left over: data must be written to, wiped from and read
   * from no other volume. A path that leads nowhere is not refused: opening it fails.
   * @param id by which device-mapper must know the volume, where LVM has just told.
   * @throws TaskError `failed` when it leads to any other device
   */
  device(name: string, id?: string): Promise<string>;
  /** The id of the device of this volume; null where the path does not lead to it. */
  idOf(name: string): Promise<string | null>;
  /** Runs blkdiscard on a `device`. @param deadlineMs wiping takes as long as writing all of it. */
  blkdiscard(device: string, args: readonly string[], deadlineMs: number): Promise<void>;
}

export type Row = Readonly<Record<string, string>>;

const reports = z.object({
  report: z.tuple([z.record(z.string(), z.array(z.record(z.string(), z.string())))]),
});

/** Metadata commands wait for the group's lock, which a slow neighbour may hold. */
const DEADLINE_MS = 120_000;
/** LVM complains about every descriptor it inherits. */
const ENV = { LVM_SUPPRESS_FD_WARNINGS: '1' };

/**
 * LVM that looks at the group's own physical volumes and at nothing else (`--devices`): what a guest has on its volume, or what
 * arrives over iSCSI, must never be taken for LVM's own, however it is labelled.
 * @param sysfs another one than the kernel's own, for tests without device-mapper.
 */
export function createLvmDoor(runner: Runner, group: string, sysfs?: string): LvmDoor {
  let devices: Promise<string> | undefined;

  const find = async (): Promise<string> => {
    const fields = ['pv_name', 'vg_uuid'];
    // By default LVM scans no logical volumes; a host's configuration may say otherwise.
    const args = ['--config', 'devices{scan_lvs=0}', ...reportArgs(fields), '-S', `vg_name=${group}`];
    const { stdout } = await runner.run('pvs', args, { timeoutMs: DEADLINE_MS, env: ENV });
    const rows = rowsOf(stdout);
    if (rows.length === 0) throw new Error(`volume group ${group} has no physical volume here`);
    if (new Set(rows.map(({ vg_uuid }) => vg_uuid)).size > 1)
      throw new TaskError('refused', `there are two volume groups named ${group}`);
    return rows.map(({ pv_name }) => pv_name ?? '').join(',');
  };

  const lvm = async (program: string, args: readonly string[]): Promise<string> => {
    devices ??= find();
    try {
      const all = ['--devices', await devices, ...args];
      return (await runner.run(program, all, { timeoutMs: DEADLINE_MS, env: ENV })).stdout;
    } catch (error) {
      const known = error instanceof ProgramError ? classify(error) : undefined;
      // Otherwise the group may have got another disk, or disks other names: look again the next time.
      if (known === undefined) devices = undefined;
      throw known ?? error;
    }
  };

  const pathOf = (name: string): string => `/dev/${group}/${name}`;
  const mapped = async (name: string) => {
    const found = await mappedAt(pathOf(name), sysfs);
    return found === null ? null : { ...found, isIt: found.name === mappedName(group, name) };
  };
  return {
    group,
    async change(program, args) {
      await lvm(program, args);
    },
    report: async (program, fields, args) => rowsOf(await lvm(program, [...reportArgs(fields), ...args])),
    pathOf,
    async device(name, id) {
      const path = pathOf(name);
      const found = await mapped(name);
      if (found !== null && !(found.isIt && (id === undefined || found.id === id)))
        throw new TaskError(
          'failed',
          `${path} leads to ${found.name ?? 'no logical volume'}, not to that volume (is udev behind? see lsblk, vgmknodes)`,
        );
      return path;
    },
    async idOf(name) {
      const found = await mapped(name);
      return found?.isIt === true ? found.id : null;
    },
    async blkdiscard(device, args, deadlineMs) {
      await runner.run('blkdiscard', [...args, device], { timeoutMs: deadlineMs });
    },
  };
}

function reportArgs(fields: readonly string[]): string[] {
  return ['--reportformat', 'json', '--units', 'b', '--nosuffix', '-o', fields.join(',')];
}

function rowsOf(stdout: string): Row[] {
  return Object.values(reports.parse(JSON.parse(stdout)).report[0]).flat();
}

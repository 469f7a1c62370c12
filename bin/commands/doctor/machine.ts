import { accessSync, constants, existsSync, globSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import type { Runner } from '#agent/run.ts';

/** What the checks look at. */
export interface Machine {
  readonly runner: Runner;
  /** Contents of a file; empty when it can't be read. */
  read(path: string): string;
  exists(path: string): boolean;
  /** Whether this user may read and write it. */
  usable(path: string): boolean;
  /** Paths that match a glob pattern. */
  find(pattern: string): string[];
  /** Where a program is; administrators' folders count even when PATH lacks them. */
  program(name: string): string | undefined;
  /** `loaded` also means built in; `loadable` needs root's `modprobe`. */
  module(name: string): 'loaded' | 'loadable' | 'missing';
}

const FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** @param root `/`, or a folder that stands in for it. */
export function machineAt(root: string, runner: Runner, kernel: string = release()): Machine {
  const at = (path: string): string => join(root, path);
  const machine: Machine = {
    runner,
    read(path) {
      try {
        return readFileSync(at(path), 'utf8');
      } catch {
        return '';
      }
    },
    exists: (path) => existsSync(at(path)),
    usable(path) {
      try {
        accessSync(at(path), constants.R_OK | constants.W_OK);
        return true;
      } catch {
        return false;
      }
    },
    find: (pattern) => globSync(at(pattern)).map((path) => join('/', path.slice(at('/').length))),
    program: (name) => FOLDERS.map((folder) => `${folder}/${name}`).find((path) => machine.exists(path)),
    module(name) {
      if (machine.exists(`/sys/module/${name}`)) return 'loaded';
      const file = new RegExp(`/${name.replaceAll('_', '[-_]')}\\.ko`);
      const folder = `/lib/modules/${kernel}`;
      if (file.test(machine.read(`${folder}/modules.builtin`))) return 'loaded';
      return file.test(machine.read(`${folder}/modules.dep`)) ? 'loadable' : 'missing';
    },
  };
  return machine;
}

import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

/**
 * The kernel's configfs below one root, one system call at a time. Paths are relative to the root. Synchronous, because it is used in
 * a process that does nothing else: there is no cheaper way to make some dozens of quick system calls.
 *
 * What is not there when it is removed, or there when it is made, is no error. Values, which may be secrets, are
 * never part of one.
 */
export interface Tree {
  /** @returns false when it was there. */
  mkdir(path: string): boolean;
  /** @returns false when it was not there. */
  rmdir(path: string): boolean;
  /** Makes the symbolic link `path`, which points to `target` in this tree. */
  link(path: string, target: string): void;
  unlink(path: string): void;
  write(path: string, value: string): void;
  /** Without the newline at the end; null when it is not there. */
  read(path: string): string | null;
  /** What a link points to, as the kernel spells it. */
  readlink(path: string): string;
  /** Names in a folder; none when it is not there. */
  list(path: string): string[];
  /** Names of the symbolic links in a folder; none when it is not there. */
  links(path: string): string[];
}

/** A step that the kernel refused. */
export class StepError extends Error {
  override readonly name = 'StepError';
  readonly errno: string;

  constructor(step: string, path: string, errno: string) {
    super(`the kernel refused ${step} ${path}: ${errno}`);
    this.errno = errno;
  }
}

/** Never creates: configfs makes its files itself, and some of them cannot be read. */
const WRITE = constants.O_WRONLY | constants.O_TRUNC;

function writeTo(file: string, value: string): void {
  const fd = openSync(file, WRITE);
  try {
    writeSync(fd, value);
  } finally {
    closeSync(fd);
  }
}

/** The tree at this folder. @param root absolute. */
export function openTree(root: string): Tree {
  const at = (path: string): string => join(root, path);
  /** @returns `other` when the step failed in one of these ways. */
  const step = <T, O = never>(
    name: string,
    path: string,
    work: (absolute: string) => T,
    expected: readonly string[] = [],
    other?: O,
  ): T | O => {
    try {
      return work(at(path));
    } catch (error) {
      const errno = (error as NodeJS.ErrnoException).code ?? 'unknown reason';
      if (expected.includes(errno)) return other as O;
      throw new StepError(name, path, errno);
    }
  };
  return {
    mkdir: (path) => step('mkdir', path, (dir) => (mkdirSync(dir), true), ['EEXIST'], false),
    rmdir: (path) => step('rmdir', path, (dir) => (rmdirSync(dir), true), ['ENOENT'], false),
    link: (path, target) => step('link', path, (link) => symlinkSync(at(target), link), ['EEXIST']),
    unlink: (path) => step('unlink', path, unlinkSync, ['ENOENT']),
    write: (path, value) => step('write', path, (file) => writeTo(file, value)),
    read: (path) =>
      step('read', path, (file) => readFileSync(file, 'utf8').replace(/\n$/, ''), ['ENOENT'], null),
    readlink: (path) => step('readlink', path, (link) => readlinkSync(link)),
    list: (path) => step('list', path, (dir) => readdirSync(dir), ['ENOENT'], []),
    links: (path) => step('list', path, linksIn, ['ENOENT'], []),
  };
}

function linksIn(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true })
    .filter((entry) => entry.isSymbolicLink())
    .map(({ name }) => name);
}

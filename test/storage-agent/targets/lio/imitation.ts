import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { openTree, StepError, type Tree } from '#storage-agent/targets/lio/tree.ts';

/**
 * An ordinary folder that imitates LIO's configfs as far as making and removing exports goes: what appears by itself below a new folder,
 * what must not be changed or removed when, and how that is refused. The lab runs the same tests on the kernel.
 */
export interface Imitation extends Disposable {
  readonly root: string;
  readonly tree: Tree;
}

type Made = readonly [pattern: RegExp, files: Readonly<Record<string, string>>];

const LUN_ID = String.raw`lun_\d+`;
/** What the kernel makes below a new folder. */
const APPEARS: readonly Made[] = [
  [/^iscsi$/, { discovery_auth: '' }],
  [/^core\/iblock_\d+$/, { hba_info: '', hba_mode: '' }],
  [
    /^core\/[^/]+\/[^/]+$/,
    {
      enable: '0',
      control: '',
      udev_path: '',
      'wwn/vpd_unit_serial': 'T10 VPD Unit Serial Number: ',
      'attrib/emulate_tpu': '0',
      'attrib/emulate_3pc': '1',
      'attrib/emulate_fua_write': '1',
      'attrib/emulate_model_alias': '0',
    },
  ],
  [/^iscsi\/[^/]+$/, { 'fabric_statistics/x': '' }],
  [
    /^iscsi\/[^/]+\/tpgt_\d+$/,
    {
      enable: '0',
      'attrib/authentication': '1',
      'attrib/generate_node_acls': '0',
      'attrib/demo_mode_discovery': '1',
    },
  ],
  [/\/np\/[^/]+$/, { tcp: '1' }],
  [new RegExp(`/lun/${LUN_ID}$`), { 'statistics/x': '' }],
  [/\/acls\/[^/]+$/, { info: 'No active iSCSI Session', 'auth/userid': '', 'auth/password': '' }],
  [new RegExp(`/acls/[^/]+/${LUN_ID}$`), { write_protect: '0' }],
];
const FOLDERS = ['acls', 'lun', 'np'];
const BACKSTORE = /^core\/[^/]+\/[^/]+\//;

/** Thousands of small files are made and removed. */
const MEMORY = '/dev/shm';

/** An empty LIO, as after a boot. */
export function imitateLio(): Imitation {
  const root = mkdtempSync(join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'by-lio-'));
  mkdirSync(join(root, 'core/alua'), { recursive: true });
  const bare = openTree(root);
  const made = new Set<string>();
  const refuse = (step: string, path: string, errno: string): never => {
    throw new StepError(step, path, errno);
  };
  /** Link → what it points to. */
  const links = new Map<string, string>();
  const isOpen = (backstore: string): boolean => bare.read(`${backstore}/enable`) === '1';
  const deviceOf = (backstore: string): string | undefined =>
    /udev_path=([^,]+)/.exec(bare.read(`${backstore}/control`) ?? '')?.[1];
  const backstores = (): string[] => [...made].filter((path) => /^core\/[^/]+\/[^/]+$/.test(path));

  const tree: Tree = {
    ...bare,
    mkdir(path) {
      if (!bare.mkdir(path)) return false;
      made.add(path);
      for (const [, files] of APPEARS.filter(([pattern]) => pattern.test(path)))
        for (const [name, text] of Object.entries(files)) {
          mkdirSync(dirname(join(root, path, name)), { recursive: true });
          writeFileSync(join(root, path, name), text);
        }
      if (/\/tpgt_\d+$/.test(path)) for (const name of FOLDERS) mkdirSync(join(root, path, name));
      return true;
    },
    rmdir(path) {
      if (!made.has(path)) return false;
      const inside = (other: string): boolean => other.startsWith(`${path}/`);
      if ([...made].some(inside) || [...links.keys()].some(inside)) refuse('rmdir', path, 'ENOTEMPTY');
      if ([...links.values()].includes(path)) refuse('rmdir', path, 'EBUSY');
      made.delete(path);
      rmSync(join(root, path), { recursive: true });
      return true;
    },
    link(path, target) {
      const lun = dirname(path);
      if (bare.links(lun).length > 0) refuse('link', path, 'EEXIST');
      const standing = target.startsWith('core/') ? isOpen(target) : bare.links(target).length > 0;
      if (!standing) refuse('link', path, 'EINVAL');
      bare.link(path, target);
      links.set(path, target);
    },
    unlink(path) {
      bare.unlink(path);
      links.delete(path);
    },
    write(path, value) {
      if (!lstatSync(join(root, path)).isFile()) refuse('write', path, 'EACCES');
      const backstore = BACKSTORE.exec(path)?.[0].slice(0, -1);
      if (backstore !== undefined) {
        const frozen = /vpd_unit_serial$|emulate_model_alias$/.test(path);
        if (frozen && [...links.values()].includes(backstore)) refuse('write', path, 'EINVAL');
        if (path.endsWith('/attrib/emulate_tpu') && value === '1' && !isOpen(backstore))
          refuse('write', path, 'ENOSYS');
        if (path.endsWith('/enable')) {
          if (isOpen(backstore)) refuse('write', path, 'EEXIST');
          const device = deviceOf(backstore) ?? refuse('write', path, 'EINVAL');
          if (backstores().some((other) => isOpen(other) && deviceOf(other) === device))
            refuse('write', path, 'EBUSY');
        }
      } else if (path.endsWith('/enable') && bare.read(path) === value) refuse('write', path, 'EINVAL');
      bare.write(path, path.endsWith('/vpd_unit_serial') ? `T10 VPD Unit Serial Number: ${value}` : value);
    },
  };
  return { root, tree, [Symbol.dispose]: () => rmSync(root, { recursive: true }) };
}

/** Everything below a folder that is an ordinary one: files with their text, links with their target. */
export function everythingIn(root: string): Record<string, string> {
  const tree = openTree(root);
  return Object.fromEntries(
    readdirSync(root, { recursive: true, withFileTypes: true })
      .map((entry): [string, string] => {
        const path = relative(root, join(entry.parentPath, entry.name));
        if (entry.isDirectory()) return [path, 'folder'];
        return [
          path,
          entry.isSymbolicLink()
            ? relative(root, tree.readlink(path))
            : readFileSync(join(root, path), 'utf8'),
        ];
      })
      .toSorted(([a], [b]) => a.localeCompare(b)),
  );
}

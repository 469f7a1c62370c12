import { rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { compileCacheOf } from './agents.ts';
import type { Image } from './image/build.ts';
import type { Machine } from './machine.ts';
import { COMPUTE, type Node, STORAGE } from './nodes.ts';

/** What programs of a node have worked out about themselves, at the price of half a minute of emulated processor time. */
const FOLDERS = {
  storage: [compileCacheOf(STORAGE)],
  // What this QEMU can do, which libvirt asks it by starting it several times.
  compute: [compileCacheOf(COMPUTE), '/var/cache/libvirt/qemu/capabilities'],
} as const;

/** Archive of the node's caches that one lab leaves to the next one with the same image. May not exist. */
export function cachesOf(image: Image, { name }: Node): string {
  return join(dirname(image.kernel), `caches-${name}.tar`);
}

/** Resolves when the archive is up to date. */
export async function keepCaches(image: Image, node: Node, machine: Machine): Promise<void> {
  const tar = '/run/caches.tar';
  const folders = FOLDERS[node.name].map((folder) => `.${folder}`).join(' ');
  // An agent has written its own a few seconds after its start.
  await machine.sh(
    `until [ -e ${compileCacheOf(node)}/complete ]; do sleep 1; done
    tar --create --file ${tar} --directory / --exclude complete ${folders}`,
    { timeoutMs: 180_000 },
  );
  const archive = cachesOf(image, node);
  const draft = `${archive}.${process.pid}.draft`;
  await machine.get(tar, draft);
  await rename(draft, archive);
}

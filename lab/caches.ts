import { rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { COMPILE_CACHE } from './agents.ts';
import type { Image } from './image/build.ts';
import type { Machine } from './machine.ts';
import type { Node } from './nodes.ts';

/** What programs of a node have worked out about themselves, at the price of half a minute of emulated processor time. */
const FOLDERS = {
  storage: [COMPILE_CACHE],
  // What this QEMU can do, which libvirt asks it by starting it several times.
  compute: [COMPILE_CACHE, '/var/cache/libvirt/qemu/capabilities'],
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
    `until [ -e ${COMPILE_CACHE}/complete ]; do sleep 1; done
    tar --create --file ${tar} --directory / --exclude complete ${folders}`,
    { timeoutMs: 180_000 },
  );
  const archive = cachesOf(image, node);
  const draft = `${archive}.${process.pid}.draft`;
  await machine.get(tar, draft);
  await rename(draft, archive);
}

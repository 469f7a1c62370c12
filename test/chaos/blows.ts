import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startLibvirt } from '#stack/servers/libvirt.ts';
import { startMariadb } from '#stack/servers/mariadb.ts';
import { signalGroup, signalProcess } from '#stack/servers/server.ts';
import type { Rig } from './rig.ts';

/** kill -9 of MySQL, and its restart on the same files. */
export async function crashMysql(rig: Rig): Promise<void> {
  const server = rig.mariadb;
  process.kill(server.pid, 'SIGKILL');
  await server.stop();
  const url = new URL(rig.stack.env['DATABASE_URL']!);
  rig.mariadb = await startMariadb({
    dir: join(rig.stack.runDir, 'mariadb'),
    password: decodeURIComponent(url.password),
    port: server.port,
  });
}

/** kill -9 of the libvirt daemon, and its restart; guests go on. */
export async function crashLibvirtd(rig: Rig): Promise<void> {
  const { pid } = rig.libvirt;
  signalGroup(pid, 'SIGKILL');
  while (await isAlive(pid)) await sleep(5);
  rig.libvirt = await startLibvirt({
    dir: join(rig.stack.runDir, 'libvirt'),
    cacheDir: '.data/cache/libvirt',
  });
}

/** A host that nobody hears from for a while, and that hears from nobody: what runs there stands still. */
export async function cutOff(rig: Rig, host: 'storage' | 'compute', seconds: number): Promise<void> {
  const agent = rig.stack.processes.get(host)?.pid;
  const pids = [...(agent === undefined ? [] : [agent]), ...(host === 'storage' ? [rig.tgtdPid] : [])];
  for (const pid of pids) signalProcess(pid, 'SIGSTOP');
  // What has stopped in the code goes on as soon as the host does.
  rig.stops.release();
  await sleep(seconds * 1_000);
  for (const pid of pids) signalProcess(pid, 'SIGCONT');
}

async function isAlive(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat !== '' && !/\) [ZX] /.test(stat);
}

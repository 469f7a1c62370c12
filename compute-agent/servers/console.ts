import { constants } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isUuid } from '#schema/ids.ts';
import { CONSOLE_LIMIT_BYTES, type QuestionInput, type QuestionOutput } from '#schema/questions.ts';
import { findDomain } from '../disks/domain-view.ts';
import { childNamed, childrenNamed } from '../libvirt/domain-xml/element.ts';
import type { Virsh } from '../libvirt/virsh/virsh.ts';

/** virtlogd keeps so many older files of a console beside it (its default). */
const ROTATED = ['', '.0', '.1', '.2', '.3'];

export function consoleLogOf(dir: string, serverId: string): string {
  if (!isUuid(serverId)) throw new Error('a server id is a UUID');
  return join(dir, `${serverId.toLowerCase()}.log`);
}

export async function removeConsoleLog(dir: string, serverId: string): Promise<void> {
  const path = consoleLogOf(dir, serverId);
  for (const suffix of ROTATED) await rm(path + suffix, { force: true });
}

/** The last lines of what a server's console said, if its definition says where that is written down. */
export async function readConsole(
  virsh: Virsh,
  { serverId, lines }: QuestionInput<'server.console'>,
): Promise<QuestionOutput<'server.console'>> {
  const view = await findDomain(virsh, serverId);
  if (view === null) return { state: 'no-server', text: '' };
  const document = view.live ?? view.config;
  const devices = document?.devices.flatMap((parent) => [
    ...childrenNamed(parent, 'serial'),
    ...childrenNamed(parent, 'console'),
  ]);
  const path = devices
    ?.map((each) => childNamed(each, 'log')?.attributes['file'])
    .find((each) => each !== undefined);
  if (path === undefined) return { state: 'not-logged', text: '' };
  const text = await tail(path);
  return { state: 'ok', text: lines === null ? text : lastLines(text, lines) };
}

/** As much of its end as may be sent; the newest file alone may have just been begun. */
async function tail(path: string): Promise<string> {
  const newest = await endOf(path, CONSOLE_LIMIT_BYTES);
  const older = await endOf(`${path}.0`, CONSOLE_LIMIT_BYTES - newest.length);
  return Buffer.concat([older, newest]).toString('utf8');
}

/** The last bytes of a regular file; none of one that isn't there, because the console has said nothing yet. */
async function endOf(path: string, limit: number): Promise<Buffer> {
  try {
    // A pipe that somebody has put there must not hold up the agent.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const facts = await file.stat();
    if (!facts.isFile()) return Buffer.alloc(0);
    const length = Math.min(facts.size, limit);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, facts.size - length);
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}

function lastLines(text: string, count: number): string {
  if (count === 0) return '';
  const lines = text.split('\n');
  const complete = lines.at(-1) === '' ? count + 1 : count;
  return lines.slice(-complete).join('\n');
}

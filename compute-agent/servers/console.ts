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

/** As much of a regular file's end as may be sent; nothing before the console has said anything. */
async function tail(path: string): Promise<string> {
  try {
    // A pipe that somebody has put there must not hold up the agent.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const facts = await file.stat();
    if (!facts.isFile()) return '';
    const length = Math.min(facts.size, CONSOLE_LIMIT_BYTES);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, facts.size - length);
    return buffer.toString('utf8', 0, bytesRead);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw error;
  }
}

function lastLines(text: string, count: number): string {
  if (count === 0) return '';
  const lines = text.split('\n');
  const complete = lines.at(-1) === '' ? count + 1 : count;
  return lines.slice(-complete).join('\n');
}

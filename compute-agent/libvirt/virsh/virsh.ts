import { existsSync } from 'node:fs';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StartCompanion } from '#agent/companion.ts';
import { recorded } from '#agent/recording.ts';
import { quote } from './quote.ts';
import { VirshShell } from './shell.ts';
import { isVirshFailure, VirshError } from './virsh-error.ts';

export interface VirshOptions {
  /** libvirt's connection URI, for example `qemu:///system`. */
  readonly uri: string;
  /** XML documents lie here for the moment in which virsh reads them; made when missing, mode 0700. */
  readonly dir: string;
  readonly start: StartCompanion;
}

export interface CommandOptions {
  /** Milliseconds until the command is given up. Default 60,000: QEMU's own job lock alone may take 30 s. */
  readonly timeoutMs?: number;
  /** A document for the command's `--file`. */
  readonly xml?: string;
}

/** The door to libvirt. */
export interface Virsh {
  /**
   * Runs one virsh command and resolves with what it wrote.
   * @throws VirshError
   */
  run(command: readonly string[], options?: CommandOptions): Promise<string>;
  /** How many virsh processes it has started. */
  readonly spawns: number;
  stop(): Promise<void>;
}

/** A command that waits for QEMU holds up its shell; four let the others pass. */
const SHELLS = 4;
const TIMEOUT_MS = 60_000;

/**
 * An interactive virsh would write its commands, CHAP secrets included, to a history file or a log, if the
 * agent's environment asked for one; and a user's key bindings could change what it reads. Source: virsh(1), ENVIRONMENT.
 */
function environment(dir: string): Record<string, string> {
  return {
    VIRSH_HISTSIZE: '0',
    XDG_CACHE_HOME: dir,
    VIRSH_DEBUG: '4',
    VIRSH_LOG_FILE: '',
    INPUTRC: '/dev/null',
    TERM: 'dumb',
  };
}

/** Opens the door; virsh itself is started when it is first needed and again after libvirtd has gone. */
export function openVirsh({ uri, dir, start }: VirshOptions): Virsh {
  const idle: VirshShell[] = [];
  const all = new Set<VirshShell>();
  const waiting: (() => void)[] = [];
  let busy = 0;
  let spawns = 0;
  let files = 0;
  let stopped = false;

  function take(): VirshShell {
    for (let shell = idle.pop(); shell !== undefined; shell = idle.pop()) {
      if (shell.alive) return shell;
      all.delete(shell);
    }
    spawns += 1;
    const shell = new VirshShell(start('virsh', ['--quiet', '--connect', uri], environment(dir)));
    all.add(shell);
    return shell;
  }

  async function withShell<T>(work: (shell: VirshShell) => Promise<T>): Promise<T> {
    if (stopped) throw new VirshError('disconnected', 'stopped');
    if (busy >= SHELLS) await new Promise<void>((resolve) => waiting.push(resolve));
    else busy += 1;
    try {
      const shell = take();
      try {
        return await work(shell);
      } finally {
        if (shell.alive) idle.push(shell);
        else all.delete(shell);
      }
    } finally {
      const next = waiting.shift();
      if (next === undefined) busy -= 1;
      else next();
    }
  }

  const prepared = prepare(dir);
  // Whoever needs the folder is told.
  prepared.catch(() => undefined);

  async function withFile<T>(xml: string, work: (path: string) => Promise<T>): Promise<T> {
    await prepared;
    files += 1;
    const path = join(dir, `${process.pid}-${files}.xml`);
    try {
      await writeFile(path, xml, { mode: 0o600 });
      return await work(path);
    } finally {
      await rm(path, { force: true });
    }
  }

  return {
    get spawns() {
      return spawns;
    },
    async run(command, { timeoutMs = TIMEOUT_MS, xml } = {}) {
      const line = command.map(quote).join(' ');
      const tell = (line: string): Promise<string> =>
        withShell((shell) =>
          recorded({ program: 'virsh', command: () => shown(command, line), exitCodeOf }, () =>
            shell.run(line, timeoutMs),
          ),
        );
      if (xml === undefined) return await tell(line);
      return await withFile(xml, (path) => tell(`${line} --file ${quote(path)}`));
    },
    async stop() {
      stopped = true;
      await Promise.all([...all].map((shell) => shell.stop()));
    },
  };
}

/** As the timeline has it: one command is given a secret. */
function shown([name, id = '']: readonly string[], line: string): string {
  return name === 'secret-set-value' ? `virsh ${name} ${quote(id)} ***` : `virsh ${line}`;
}

/** What a virsh of its own would have ended with; none when it has lost libvirtd. */
function exitCodeOf(error: unknown): number | null {
  return isVirshFailure(error, 'disconnected') ? null : 1;
}

/** Makes the folder, and removes what an agent left there that was killed in such a moment. */
async function prepare(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  for (const name of await readdir(dir)) {
    const [, pid] = /^(\d+)-\d+\.xml$/.exec(name) ?? [];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) await rm(join(dir, name), { force: true });
  }
}

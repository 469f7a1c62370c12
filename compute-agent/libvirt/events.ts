import type { Companion, StartCompanion } from '#agent/companion.ts';

/** What libvirt says about one domain; the domain's name is all that it calls it by. */
export type DomainEvent =
  | {
      readonly kind: 'device-added' | 'device-removed' | 'removal-failed';
      readonly domain: string;
      readonly alias: string;
    }
  /** Defined, undefined, started, stopped, paused, described anew …: `detail` in libvirt's words. */
  | { readonly kind: 'lifecycle'; readonly domain: string; readonly detail: string }
  /** Events were missed, or may have been: look again. */
  | { readonly kind: 'gap' };

export interface DomainEvents {
  /** Every event from now on, until the returned function is called. */
  subscribe(listener: (event: DomainEvent) => void): () => void;
  /** How many virsh processes it has started. */
  readonly spawns: number;
  stop(): Promise<void>;
}

export interface DomainEventsOptions {
  readonly uri: string;
  readonly start: StartCompanion;
  readonly log: (line: string) => void;
}

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;

/**
 * Listens to libvirt through one lasting `virsh event`. When that ends (libvirtd restarted) it is started again after a
 * growing pause, and subscribers get a `gap` at each turn.
 */
export function watchDomains({ uri, start, log }: DomainEventsOptions): DomainEvents {
  const listeners = new Set<(event: DomainEvent) => void>();
  let companion: Companion | undefined;
  let timer: NodeJS.Timeout | undefined;
  let pause = FIRST_PAUSE_MS;
  let spawns = 0;
  let stopped = false;

  function tell(event: DomainEvent): void {
    for (const listener of listeners) listener(event);
  }

  async function listen(): Promise<void> {
    const began = performance.now();
    spawns += 1;
    companion = start('virsh', ['--quiet', '--connect', uri, 'event', '--all', '--loop', '--timestamp']);
    let rest = '';
    companion.onStdout((text) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const event of lines.map(parseEvent)) if (event !== null) tell(event);
    });
    let why = '';
    companion.onStderr((text) => (why = text.trim()));
    tell({ kind: 'gap' });
    const how = await companion.ended;
    if (stopped) return;
    pause =
      performance.now() - began > LONGEST_PAUSE_MS ? FIRST_PAUSE_MS : Math.min(2 * pause, LONGEST_PAUSE_MS);
    log(`libvirt events: ${why === '' ? how : why}; again in ${pause} ms`);
    tell({ kind: 'gap' });
    timer = setTimeout(() => void listen(), pause);
  }
  void listen();

  return {
    get spawns() {
      return spawns;
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await companion?.stop();
    },
  };
}

const EVENT = /^\S+ \S+: event '(?<kind>[a-z-]+)' for domain '(?<domain>.*)'(?:: (?<detail>.*))?$/;

/** One line of `virsh event --timestamp`; null for kinds that nobody here waits for and for lines of detail. */
export function parseEvent(line: string): DomainEvent | null {
  const { kind = '', domain, detail = '' } = EVENT.exec(line)?.groups ?? {};
  if (domain === undefined) return null;
  switch (kind) {
    case 'device-added':
    case 'device-removed':
      return { kind, domain, alias: detail };
    case 'device-removal-failed':
      return { kind: 'removal-failed', domain, alias: detail };
    case 'lifecycle':
    case 'metadata-change':
      return { kind: 'lifecycle', domain, detail };
    default:
      return null;
  }
}

import { join } from 'node:path';
import type { StartCompanion } from '#agent/companion.ts';
import type { Handlers } from '#agent/handlers.ts';
import { KeyedMutex } from '#agent/keyed-mutex.ts';
import { unrecorded } from '#agent/recording.ts';
import { systemRunner } from '#agent/run.ts';
import type { Answers } from '#queues/answers.ts';
import { atMost } from '#queues/at-most.ts';
import { createSecrets } from '#queues/secrets.ts';
import type { ServerReport } from '#schema/reports.ts';
import type { ComputeConfig } from './config.ts';
import type { Connector } from './connectors/connector.ts';
import { withEncryption } from './connectors/encrypted.ts';
import { libiscsiConnector } from './connectors/libiscsi.ts';
import { openIscsiConnector } from './connectors/open-iscsi/connector.ts';
import { watchLosses } from './disks/replug.ts';
import { createComputeHandlers } from './handlers.ts';
import { computeLister } from './inventory/inventory.ts';
import { watchDomains } from './libvirt/events.ts';
import { openVirsh, type Virsh } from './libvirt/virsh/virsh.ts';
import { noopHandlers, noopServers } from './noop.ts';
import { readBootId } from './recovery/boot-mark.ts';
import type { PendingEvictions } from './recovery/evictions.ts';
import { inTurns } from './recovery/in-turns.ts';
import { reconnectVolumes } from './recovery/reconnect.ts';
import { recover } from './recovery/recovery.ts';
import { ServerTurns } from './recovery/server-turns.ts';
import { serverLister } from './report/servers.ts';
import { readConsole } from './servers/console.ts';
import { machineChooser } from './servers/machine.ts';

/** What an agent needs of the host it works on. */
export interface Hypervisor {
  readonly handlers: Handlers<'compute'>;
  readonly servers: () => Promise<ServerReport[]>;
  readonly answers: Answers<'compute'>;
  /**
   * Brings back what a restart of the host has taken, in the background. Call it when no other agent can be at work here.
   */
  recover(): void;
  /** Calls back soon after a server has appeared, disappeared or changed its state; once for a burst of changes. */
  onChange(changed: () => void): void;
  stop(): Promise<void>;
}

/** A storm of changes (a host that starts all its guests) becomes a report every so often. */
const QUIET_MS = 50;
/** A recovery that waits for a target ends with the process; all it does may be done again. */
const STOP_MS = 2_000;

export function libvirtHypervisor(
  config: ComputeConfig,
  start: StartCompanion,
  evictions: PendingEvictions,
  log: (line: string) => void,
): Hypervisor {
  const virsh = openVirsh({ uri: config.libvirtUri, dir: join(config.stateDir, 'virsh'), start });
  const events = watchDomains({ uri: config.libvirtUri, start, log });
  const connector = openConnector(config, virsh, log);
  const handlers = createComputeHandlers({
    virsh,
    events,
    connector,
    secrets: unrecorded(createSecrets(config.keys)),
    servers: new KeyedMutex(),
    detachTimeoutMs: config.detachTimeoutMs,
    machine: machineChooser(virsh, config.domainType),
    consoleDir: join(config.stateDir, 'consoles'),
    shutdownTimeoutMs: config.shutdownTimeoutMs,
    reconnect: async (serverId) => void (await reconnectVolumes({ virsh, connector }, serverId)),
    evicted: (serverId, volumeId) => evictions.done(serverId, volumeId),
    log,
  });
  const turns = new ServerTurns();
  const losses = watchLosses({ virsh, events, connector, turns, log });
  const stopping = new AbortController();
  let recovering: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  return {
    handlers: inTurns(handlers, turns),
    servers: serverLister(virsh, events),
    answers: {
      'server.console': (input) => readConsole(virsh, input),
      'compute.inventory': computeLister({ virsh, connector }),
    },
    recover() {
      losses.look();
      recovering = readBootId()
        .then((bootId) =>
          recover({ virsh, connector, turns, evictions, dir: config.stateDir, bootId, log }, stopping.signal),
        )
        .catch((error: unknown) => {
          if (!stopping.signal.aborted)
            log(`recovery: ${error instanceof Error ? error.message : String(error)}`);
        });
    },
    onChange(changed) {
      events.subscribe((event) => {
        if (event.kind !== 'lifecycle' && event.kind !== 'gap') return;
        timer ??= setTimeout(() => {
          timer = undefined;
          changed();
        }, QUIET_MS);
      });
    },
    async stop() {
      clearTimeout(timer);
      losses.stop();
      stopping.abort();
      await atMost(STOP_MS, Promise.resolve(recovering));
      await events.stop();
      await virsh.stop();
    },
  };
}

function openConnector(config: ComputeConfig, virsh: Virsh, log: (line: string) => void): Connector {
  return withEncryption(plainConnector(config, virsh, log), virsh, join(config.stateDir, 'encrypted'));
}

function plainConnector(config: ComputeConfig, virsh: Virsh, log: (line: string) => void): Connector {
  if (config.connector === 'libiscsi') return libiscsiConnector(virsh);
  return openIscsiConnector({ runner: systemRunner, dir: join(config.stateDir, 'connections'), log });
}

export function noopHypervisor(config: ComputeConfig): Hypervisor {
  const servers = noopServers(config.noopServers);
  return {
    handlers: noopHandlers(),
    servers: async () => servers,
    answers: {
      'server.console': async () => ({ state: 'not-logged', text: '' }),
      'compute.inventory': async () => ({ domains: null, secrets: [], connections: [] }),
    },
    recover: () => undefined,
    onChange: () => undefined,
    stop: async () => undefined,
  };
}

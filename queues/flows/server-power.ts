import type { HostName } from '#schema/ids.ts';
import { attachmentOf } from './facts.ts';
import { flow } from './flow.ts';
import { AT_REST, setServer } from './servers.ts';
import { settle } from './settle.ts';

/** The agent's patience with the guest is a setting of its host, at most ten minutes; then it is switched off. */
const POWER_WITHIN_S = 720;

/** An operation of the root volume, so that it never meets another one of the same server. */
export const serverPower = flow('server.power')
  .task({
    name: 'power',
    on: 'compute',
    task: 'server.power',
    withinS: POWER_WITHIN_S,
    do({ facts }) {
      const host = attachmentOf(facts)?.host;
      if (host == null) throw new Error('the server is on no host');
      const { serverId, action } = facts.input;
      return { host: host as HostName, input: { volumeId: facts.volume.id, serverId, action } };
    },
    undo: { none: 'the server stays as it is, and its host reports how that is' },
  })
  .ends({
    done(tx, run) {
      settle(tx, run, null);
      const status = run.facts.input.action === 'stop' ? 'SHUTOFF' : 'ACTIVE';
      setServer(tx, run, { status, task_state: AT_REST, fault: null });
    },
    undone(tx, run) {
      settle(tx, run, null);
      setServer(tx, run, { task_state: AT_REST });
    },
    stuck(tx, run) {
      settle(tx, run, null);
      setServer(tx, run, { task_state: AT_REST });
    },
  });

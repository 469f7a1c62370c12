import type { OperationInputs, OperationKind } from '#schema/operations.ts';

/** Nova's words for what is done to a server: the action that a user asked for, and the event on the hypervisor. */
export interface ActionNames {
  readonly action: string;
  readonly event: string;
}

const POWER: Readonly<Record<OperationInputs['server.power']['action'], ActionNames>> = {
  start: { action: 'start', event: 'compute_start_instance' },
  stop: { action: 'stop', event: 'compute_stop_instance' },
  reboot: { action: 'reboot', event: 'compute_reboot_instance' },
  'hard-reboot': { action: 'reboot', event: 'compute_reboot_instance' },
};

const NAMES = {
  'server.create': { action: 'create', event: 'compute__do_build_and_run_instance' },
  'server.delete': { action: 'delete', event: 'compute_terminate_instance' },
  'volume.attach': { action: 'attach_volume', event: 'compute_attach_volume' },
  'volume.detach': { action: 'detach_volume', event: 'compute_detach_volume' },
  'volume.extend': { action: 'extend_volume', event: 'compute_extend_volume' },
} as const satisfies Partial<Record<OperationKind, ActionNames>>;

/** The operations that a server's user sees. */
export const SHOWN_KINDS: readonly OperationKind[] = [
  ...(Object.keys(NAMES) as (keyof typeof NAMES)[]),
  'server.power',
];

/** @param input the operation's, as it is kept. */
export function namesOf(kind: string, input: string): ActionNames {
  if (kind !== 'server.power') return NAMES[kind as keyof typeof NAMES];
  const { action } = JSON.parse(input) as OperationInputs['server.power'];
  return POWER[action];
}

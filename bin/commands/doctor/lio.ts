import { type Finding, needsModules } from './check.ts';
import type { Machine } from './machine.ts';

/** Blockyard writes LIO's configfs itself: no program is needed, only the kernel and a mounted configfs. */
export function lio(machine: Machine): Finding {
  const name = 'LIO';
  if (machine.exists('/sys/kernel/config/target/iscsi'))
    return { name, state: 'yes', detail: '/sys/kernel/config/target/iscsi' };
  const configfs =
    /\tconfigfs$/m.test(machine.read('/proc/filesystems')) || machine.module('configfs') !== 'missing';
  if (!configfs)
    return needsModules(machine, { name, state: 'no', detail: '' }, ['configfs', 'target_core_mod']);
  const modules = ['target_core_mod', 'target_core_iblock', 'iscsi_target_mod'];
  const kernel = needsModules(machine, { name, state: 'yes', detail: 'the kernel has it' }, modules);
  if (kernel.state !== 'yes' || machine.exists('/sys/kernel/config/target')) return kernel;
  return {
    ...kernel,
    state: 'care',
    detail: 'configfs is not mounted',
    remedy: 'mount -t configfs none /sys/kernel/config',
  };
}

/** Debian's, Red Hat's and targetd's units around `targetctl restore`. */
const RESTORE_UNITS = ['rtslib-fb-targetctl', 'targetctl', 'target'];
const SAVED = ['/etc/rtslib-fb-target/saveconfig.json', '/etc/target/saveconfig.json'];

/** A unit that restores a saved LIO configuration clears what Blockyard has exported, at its start and its stop. */
export function restoreUnits(machine: Machine): Finding[] {
  const saved = SAVED.find((path) => machine.exists(path));
  return RESTORE_UNITS.map((name) => `${name}.service`)
    .filter((unit) => machine.find(`/etc/systemd/system/*.{wants,requires}/${unit}`).length > 0)
    .map((unit) => ({
      name: unit,
      state: 'care',
      detail: `is enabled: when it starts or stops it clears LIO’s live exports${saved === undefined ? '' : `, and then restores ${saved}`}`,
      remedy: `systemctl disable ${unit}   (without --now: stopping it clears the exports too)`,
    }));
}

/** BLOCKYARD_IQN_PREFIX's default. */
const IQN_PREFIX = 'iqn.2010-10.org.blockyard';

/**
 * Saved configurations that hold exports of Blockyard: targetcli saves whatever is there when it ends. Restored, they would
 * let initiators in that were shut out since, and hold devices that are to be removed.
 */
export function savedExports(machine: Machine, iqnPrefix: string = IQN_PREFIX): Finding[] {
  return SAVED.flatMap((path): Finding[] => {
    const found = machine.read(path).matchAll(/"wwn": *"(.*):volume-[0-9a-f-]{36}"/g);
    const ours = [...found].filter(([, prefix]) => prefix === iqnPrefix);
    if (ours.length === 0) return [];
    return [
      {
        name: 'saved exports',
        state: 'care',
        detail: `${path} holds ${ours.length} of Blockyard’s exports, CHAP secrets included; a restore would bring them back as they were`,
        remedy: `targetcli set global auto_save_on_exit=false; then delete ${path} and its backup folder, or only those targets from it`,
      },
    ];
  });
}

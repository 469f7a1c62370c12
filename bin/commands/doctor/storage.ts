import { type Finding, needsModules, needsProgram, type Part } from './check.ts';
import type { Machine } from './machine.ts';

export function volumesPart(machine: Machine): Part {
  const lvm = needsProgram(machine, 'LVM', 'lvm', 'lvm2');
  // In the kernel, built in or loaded, it is a misc device.
  const mapper = /\bdevice-mapper$/m.test(machine.read('/proc/misc'));
  const thin = needsProgram(machine, 'LVM thin', 'thin_check', 'thin-provisioning-tools');
  const lvmWorks = mapper ? lvm : needsModules(machine, lvm, ['dm_mod']);
  return {
    title: 'Volumes',
    findings: [
      lvmWorks,
      lvmWorks.state === 'no'
        ? { ...lvmWorks, name: thin.name }
        : needsModules(machine, thin, ['dm_thin_pool']),
      { name: 'files', state: 'yes', detail: 'sparse files in any folder' },
    ],
  };
}

export function targetPart(machine: Machine): Part {
  return {
    title: 'iSCSI target',
    findings: [lio(machine), needsProgram(machine, 'tgt', 'tgtd', 'tgt')],
  };
}

/** Blockyard writes LIO's configfs itself: no program is needed, only the kernel and a mounted configfs. */
function lio(machine: Machine): Finding {
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

/** What stands in Blockyard's way here; mostly empty. */
export function warningsPart(machine: Machine): Part {
  return { title: 'Take care', findings: restoreUnits(machine) };
}

/** Debian's, Red Hat's and targetd's units around `targetctl restore`. */
const RESTORE_UNITS = ['rtslib-fb-targetctl', 'targetctl', 'target'];
const SAVED = ['/etc/rtslib-fb-target/saveconfig.json', '/etc/target/saveconfig.json'];

/** A unit that restores a saved LIO configuration clears what Blockyard has exported, at its start and its stop. */
function restoreUnits(machine: Machine): Finding[] {
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

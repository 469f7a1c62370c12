import { needsModules, needsProgram, type Part } from './check.ts';
import { lio, restoreUnits, savedExports } from './lio.ts';
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

/** What stands in Blockyard’s way here; mostly empty. */
export function warningsPart(machine: Machine, iqnPrefix: string | undefined): Part {
  return { title: 'Take care', findings: [...restoreUnits(machine), ...savedExports(machine, iqnPrefix)] };
}

import type { MachineFile } from './machine/seed.ts';

/** What the storage agent gets on the storage node's second disk. */
export const VOLUME_GROUP = {
  name: 'blockyard',
  /** 12 GiB; 8 GiB are left for thick volumes. */
  thinPool: 'pool',
  /** Serial of the disk. */
  disk: 'data',
  sizeGib: 20,
  device: '/dev/vdb',
} as const;

const UNIT = 'lab-volume-group.service';

/** A unit that makes the volume group at the first boot, before any agent asks for it. */
export const volumeGroupUnit: { readonly name: string; readonly files: readonly MachineFile[] } = {
  name: UNIT,
  files: [
    {
      path: `/etc/systemd/system/${UNIT}`,
      content: `[Unit]
Description=Volume group of the lab
[Service]
Type=oneshot
ExecStart=/usr/local/sbin/lab-volume-group
`,
    },
    {
      path: '/usr/local/sbin/lab-volume-group',
      mode: 0o755,
      content: `#!/bin/sh
set -eu
device=${VOLUME_GROUP.device}
! pvs --devices $device $device >/dev/null 2>&1 || exit 0
vgcreate --quiet --devices $device ${VOLUME_GROUP.name} $device
lvcreate --quiet --devices $device --type thin-pool --size 12G --name ${VOLUME_GROUP.thinPool} ${VOLUME_GROUP.name}
`,
    },
  ],
};

/** The buses a volume can be plugged into. */
export const DISK_BUSES = ['virtio', 'scsi', 'sata'] as const;
export type DiskBus = (typeof DISK_BUSES)[number];

/** libvirt names disks by kind of bus; SCSI, SATA (and USB) share one row of names. */
const PREFIX: Readonly<Record<DiskBus, string>> = { virtio: 'vd', scsi: 'sd', sata: 'sd' };

const LETTERS = 26;

/** True for names such as `vdb` or `vdaa` on virtio. */
export function deviceFitsBus(device: string, bus: DiskBus): boolean {
  return new RegExp(`^${PREFIX[bus]}[a-z]{1,4}$`).test(device);
}

/** The first name of a bus that isn't taken: `vda` … `vdz`, `vdaa`, `vdab` … */
export function firstFreeName(taken: ReadonlySet<string>, bus: DiskBus): string {
  let index = 0;
  while (taken.has(nameOf(index, bus))) index += 1;
  return nameOf(index, bus);
}

/** The name number `index` of a bus, counted as libvirt counts: 25 is `vdz`, 26 `vdaa`, 702 `vdaaa`. */
function nameOf(index: number, bus: DiskBus): string {
  let letters = '';
  for (let rest = index; rest >= 0; rest = Math.floor(rest / LETTERS) - 1) {
    letters = String.fromCharCode('a'.charCodeAt(0) + (rest % LETTERS)) + letters;
  }
  return PREFIX[bus] + letters;
}

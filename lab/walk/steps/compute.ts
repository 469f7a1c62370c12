import { expect, expectThat, Unmet } from '#stack/demo/expect.ts';
import { parseDisk, type ShownDisk } from '#stack/demo/host.ts';
import type { Step } from '#stack/demo/report.ts';
import type { Limits } from '#stack/demo/steps/types.ts';
import type { LabScene } from '../scene.ts';

/** A disk of demo-instance1 as `virsh dumpxml` on the compute node shows it. */
export async function diskOf(
  { lab }: LabScene,
  volumeId: string,
  which: 'live' | 'inactive',
): Promise<ShownDisk | undefined> {
  const option = which === 'inactive' ? ' --inactive' : '';
  return parseDisk(await lab.compute.sh(`virsh dumpxml ${lab.instance.name}${option}`), volumeId);
}

/** @throws Unmet unless the disk is in both definitions, by-path, with its serial and exactly these limits. */
export async function seeDisk(
  scene: LabScene,
  step: Step,
  volumeId: string,
  device: string,
  limits: Limits | null,
): Promise<void> {
  for (const which of ['live', 'inactive'] as const) {
    const disk = await diskOf(scene, volumeId, which);
    if (disk === undefined)
      throw new Unmet(`<disk> in the ${which} XML`, `serial ${volumeId}`, 'no such disk');
    const source = /<source dev='([^']+)'/.exec(disk.xml)?.[1] ?? '';
    expectThat(
      `source in the ${which} XML`,
      source.startsWith('/dev/disk/by-path/ip-') && source.endsWith(`:volume-${volumeId}-lun-0`),
      `/dev/disk/by-path/ip-…-iscsi-…:volume-${volumeId}-lun-0`,
      source,
    );
    expect(`device in the ${which} XML`, disk.device, device);
    if (limits !== null) expect(`<iotune> in the ${which} XML`, sorted(disk.iotune), sorted(limits));
    if (which === 'live') {
      step.saw(`virsh dumpxml, live and --inactive: ${device}, serial ${volumeId}, ${source}`);
      if (limits !== null && disk.xml.includes('<iotune>'))
        step.quote(/ *<iotune>[\s\S]*<\/iotune>/.exec(disk.xml)?.[0] ?? '');
    }
  }
}

function sorted(limits: Limits): Limits {
  return Object.fromEntries(Object.entries(limits).toSorted(([a], [b]) => a.localeCompare(b)));
}

/** Sessions, node records, SCSI disks and secrets that a volume could leave behind. */
export async function seeNothingConnected({ lab }: LabScene, step: Step): Promise<void> {
  const { compute } = lab;
  const left = {
    sessions: await compute.sh('ls /sys/class/iscsi_session 2>/dev/null || true'),
    'node records': await compute.sh('find /etc/iscsi/nodes -mindepth 1 2>/dev/null || true'),
    'SCSI disks': await compute.sh('ls /sys/class/scsi_disk 2>/dev/null || true'),
    'by-path links': await compute.sh('ls /dev/disk/by-path 2>/dev/null | grep iscsi || true'),
    'libvirt secrets': await compute.sh("virsh secret-list --name 2>/dev/null | grep -v '^$' || true"),
    'disks of ours in domain definitions': await compute.sh(
      `for domain in $(virsh list --all --name); do
         virsh dumpxml "$domain"; virsh dumpxml --inactive "$domain"; done | grep -o 'alias name=.ua-[^/]*' || true`,
    ),
  };
  for (const [what, found] of Object.entries(left)) expect(`${what} on the compute node`, found, '');
  step.saw(`the compute node has no ${Object.keys(left).join(', no ')}`);
}

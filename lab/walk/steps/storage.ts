import { expect, expectThat } from '#stack/demo/expect.ts';
import type { Step } from '#stack/demo/report.ts';
import type { LabScene } from '../scene.ts';

/** `lvs` on the storage node: the logical volumes, without the thin pool itself. */
export async function logicalVolumes({ lab }: LabScene): Promise<string[]> {
  const said = await lab.storage.sh(
    `lvs --noheadings --devices ${lab.physicalVolume} -o lv_name -S 'pool_lv=${lab.thinPool}' ${lab.volumeGroup}`,
  );
  return said.split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.trim()]));
}

export async function seeVolume(scene: LabScene, step: Step, volumeId: string): Promise<void> {
  const name = `volume-${volumeId}`;
  const names = await logicalVolumes(scene);
  expectThat('lvs on the storage node', names.includes(name), name, names);
  step.saw(`lvs on the storage node: ${name}`);
}

const CONFIGFS = '/sys/kernel/config/target';

/** LIO's own configuration, read from configfs: backstore, portal, and the one ACL with one-way CHAP. */
export async function seeExport(
  { lab }: LabScene,
  step: Step,
  volumeId: string,
  initiator: string,
): Promise<void> {
  const { storage } = lab;
  const tpg = await storage.sh(`echo ${CONFIGFS}/iscsi/*:volume-${volumeId}/tpgt_1`);
  const read = (path: string): Promise<string> => storage.sh(`cat ${tpg}/${path}`);
  const list = async (path: string): Promise<string[]> =>
    (await storage.sh(`cd ${tpg}/${path} && ls -d */ 2>/dev/null || true`)).split('\n').filter(Boolean);

  const backstore = await storage.sh(`readlink -f ${tpg}/lun/lun_0/*/udev_path | xargs -n1 dirname`);
  expectThat(
    'backstore behind LUN 0',
    /\/core\/iblock_\d+\/volume-/.test(backstore),
    'core/iblock_N/volume-…',
    backstore,
  );
  const serial = await storage.sh(`cat ${backstore}/wwn/vpd_unit_serial`);
  expectThat('unit serial', serial.endsWith(volumeId), volumeId, serial);
  step.saw(`LIO: block backstore ${backstore.replace(`${CONFIGFS}/`, '')}, unit serial ${volumeId}`);

  expect('initiators with an ACL', await list('acls'), [`${initiator}/`]);
  expect('LUNs mapped for it', await list(`acls/${initiator}`).then((all) => all.filter(isLun)), ['lun_0/']);
  step.saw(`  one ACL, ${initiator}, with one mapped LUN, lun_0`);

  const [authentication, dynamic] = [
    await read('attrib/authentication'),
    await read('attrib/generate_node_acls'),
  ];
  expect('authentication, generate_node_acls', [authentication, dynamic], ['1', '0']);
  const one = await storage.sh(`test -n "$(cat ${tpg}/acls/${initiator}/auth/userid)" && echo yes`);
  const back = await read(`acls/${initiator}/auth/authenticate_target`);
  expect('CHAP account; mutual', [one, back], ['yes', '0']);
  step.saw('  one-way CHAP: authentication 1, an account of its own, none for the other direction');

  const portals = await list('np');
  expectThat(
    'portals',
    portals.some((each) => each.endsWith(':3260/')),
    'address:3260',
    portals,
  );
  step.saw(`  portals: ${portals.map((each) => each.slice(0, -1)).join(', ')}`);
}

const isLun = (name: string): boolean => name.startsWith('lun_');

/** @throws Unmet while LIO exports anything of ours. */
export async function seeNothingExported({ lab }: LabScene, step: Step): Promise<void> {
  const left = await lab.storage.sh(
    `ls -d ${CONFIGFS}/iscsi/iqn.* ${CONFIGFS}/core/iblock_* 2>/dev/null || true`,
  );
  expect('targets and backstores in LIO', left, '');
  step.saw('LIO: no target, no backstore');
}

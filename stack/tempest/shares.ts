/**
 * About how many seconds a class takes, where it is more than a few: those with guests, backups and whole images. Only their proportions
 * count.
 */
const HEAVY: Readonly<Record<string, number>> = {
  'admin.test_encrypted_volumes_extend.EncryptedVolumesExtendAttachedTest': 40,
  'test_volumes_snapshots.VolumesSnapshotTestJSON': 33,
  'test_volumes_actions.VolumesActionsTest': 28,
  'test_volumes_backup.VolumesBackupsTest': 27,
  'admin.test_volumes_backup.VolumesBackupsAdminTest': 16,
  'test_volumes_extend.VolumesExtendAttachedTest': 12,
  'test_volumes_backup.VolumesBackupsV39Test': 5,
  'admin.test_volumes_actions.VolumesActionsTest': 4,
  'admin.test_volume_retype.VolumeRetypeWithMigrationTest': 3.5,
  'admin.test_group_snapshots.GroupSnapshotsTest': 3.5,
  'test_volumes_negative.VolumesNegativeTest': 3,
};
/** Of any other class: mostly its users and projects. */
const LIGHT = 1.5;

/**
 * Which classes each worker takes, so that all end at about the same time; stestr, which knows no times yet, deals them out in turn, and one of two
 * workers then works for twice as long. Each takes its longest first.
 * @param tests plain ids.
 * @returns classes by their dotted names.
 */
export function sharesOf(tests: readonly string[], workers: number): string[][] {
  const classes = [...new Set(tests.map((test) => test.replace(/\.\w+$/, '')))];
  const secondsOf = (name: string): number => HEAVY[name.replace(/^tempest\.api\.volume\./, '')] ?? LIGHT;
  const shares = Array.from({ length: Math.min(workers, classes.length) }, () => ({
    seconds: 0,
    classes: [] as string[],
  }));
  for (const name of classes.toSorted((a, b) => secondsOf(b) - secondsOf(a))) {
    const [least] = shares.toSorted((a, b) => a.seconds - b.seconds);
    least?.classes.push(name);
    if (least !== undefined) least.seconds += secondsOf(name);
  }
  return shares.map((share) => share.classes);
}

/** As stestr reads it (`--worker-file`, YAML, of which JSON is a part): each worker's tests by regular expressions. */
export function workerFile(shares: readonly (readonly string[])[]): string {
  return JSON.stringify(
    shares.map((names) => ({ worker: names.map((name) => `^${name.replaceAll('.', String.raw`\.`)}\\.`) })),
  );
}

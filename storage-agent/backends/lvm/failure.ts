import type { ProgramError } from '#agent/program-error.ts';

export type LvmReason = 'not-found' | 'exists' | 'no-space' | 'in-use';

/** LVM said something that callers tell apart. */
export class LvmFailure extends Error {
  override readonly name = 'LvmFailure';
  readonly reason: LvmReason;

  constructor(reason: LvmReason, message: string) {
    super(message);
    this.reason = reason;
  }
}

/** LVM's exit code for a command that was understood and failed (`ECMD_FAILED`); alone it says nothing more. */
const FAILED = 5;

const PATTERNS: readonly (readonly [LvmReason, RegExp])[] = [
  ['not-found', /^\s*Failed to find logical volume "/m],
  ['not-found', /^\s*Logical volume \S+ not found in volume group /m],
  ['not-found', /^\s*Existing logical volume "[^"]+" not found in volume group /m],
  ['not-found', /^\s*Snapshot origin LV \S+ not found in Volume group /m],
  ['exists', /^\s*Logical Volume "[^"]+" already exists in volume group /m],
  ['no-space', /^\s*Volume group "[^"]+" has insufficient free space/m],
  // Not recorded: several disks, none with room for the rest.
  ['no-space', /^\s*Insufficient suitable allocatable extents/m],
  ['no-space', /^\s*Insufficient free space: \d+ extents needed/m],
  ['no-space', /^\s*Cannot create new thin volume, free space in thin pool \S+ reached threshold/m],
  ['in-use', /^\s*Logical volume \S+ in use\./m],
];

/** The reason, by exit code and words together; undefined when LVM means anything else. */
export function classify(error: ProgramError): LvmFailure | undefined {
  if (error.failure.exitCode !== FAILED) return undefined;
  const found = PATTERNS.find(([, pattern]) => pattern.test(error.failure.stderr));
  return found === undefined ? undefined : new LvmFailure(found[0], error.message);
}

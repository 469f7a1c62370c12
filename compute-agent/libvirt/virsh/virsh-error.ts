/** What went wrong, as far as a caller needs to tell the cases apart. */
export const VIRSH_FAILURES = [
  'domain-not-found',
  'device-not-found',
  'secret-not-found',
  'metadata-not-found',
  'exists',
  'not-running',
  'transient',
  'unplugging',
  'unsupported',
  'hung',
  'disconnected',
  'failed',
] as const;
export type VirshFailure = (typeof VIRSH_FAILURES)[number];

/** A virsh command that failed; the message is libvirt's own last word and never holds the command's arguments. */
export class VirshError extends Error {
  override readonly name = 'VirshError';
  readonly failure: VirshFailure;

  constructor(failure: VirshFailure, message: string) {
    super(message);
    this.failure = failure;
  }
}

/**
 * libvirt's own messages (LC_ALL=C). Applied only to a command that has failed.
 * Sources: recorded outputs in test/fixtures/virsh; libvirt src/util/virerror.c, src/qemu/qemu_hotplug.c.
 */
const PATTERNS: readonly (readonly [VirshFailure, RegExp])[] = [
  [
    'disconnected',
    /failed to connect to the hypervisor|Disconnected from|Reconnected to|Cannot recv data|End of file while reading|client socket is closed|internal error: connection closed/,
  ],
  ['domain-not-found', /failed to get domain|Domain not found/],
  ['secret-not-found', /failed to get secret|Secret not found/],
  ['metadata-not-found', /metadata not found/],
  ['hung', /cannot acquire state change lock/],
  ['unplugging', /already in the process of unplug/],
  ['transient', /transient domains? do(es)? not have any persistent config/],
  ['not-running', /domain is not running|domain is not active/],
  [
    'device-not-found',
    /no device found with alias|no target device|device not found|disk '?[^']*'? (was )?not found|not found in the domain|missing persistent configuration for disk|invalid path/,
  ],
  [
    'unsupported',
    /cannot be hotplugged|Could not find \w+ controller|does not support hotplugging|[Nn]o more available PCI slots|unsupported configuration: (?!non unique alias)|total and read\/write of|burst length set without|cannot be smaller than/,
  ],
  ['exists', /non unique alias detected|target '?[^']*'? (already exists|duplicated)|already defined/],
];

/** Not a failure: virsh says this of a secret that comes on its standard input, too. */
const NOTICE = /^error: Passing secret value as command-line argument is insecure!$/;

/** The error that a command's standard error tells of, or null if it tells of none. */
export function virshError(stderr: string): VirshError | null {
  const lines = stderr.split('\n').filter((line) => line.startsWith('error: ') && !NOTICE.test(line));
  if (lines.length === 0) return null;
  const text = lines.join('\n');
  const failure = PATTERNS.find(([, pattern]) => pattern.test(text))?.[0] ?? 'failed';
  return new VirshError(failure, (lines.at(-1) ?? '').slice('error: '.length).slice(0, 300));
}

/** True for a virsh error of one of these kinds. */
export function isVirshFailure(error: unknown, ...failures: readonly VirshFailure[]): error is VirshError {
  return error instanceof VirshError && failures.includes(error.failure);
}

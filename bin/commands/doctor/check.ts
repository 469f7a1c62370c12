import type { Machine } from './machine.ts';

/** One part that Blockyard can build on. */
export interface Finding {
  readonly name: string;
  /** `care`: it works, but not as it should. */
  readonly state: 'yes' | 'care' | 'no';
  readonly detail: string;
  /** What makes it a yes. */
  readonly remedy?: string;
}

/** Ways to do one job; a machine needs one of them. */
export interface Part {
  readonly title: string;
  readonly findings: readonly Finding[];
}

/** True when at least one of the part's ways works. */
export function works({ findings }: Part): boolean {
  return findings.some(({ state }) => state !== 'no');
}

/** A finding that needs one program. */
export function needsProgram(machine: Machine, name: string, program: string, debian: string): Finding {
  const path = machine.program(program);
  return path === undefined
    ? { name, state: 'no', detail: `${program} is not installed`, remedy: `apt-get install ${debian}` }
    : { name, state: 'yes', detail: path };
}

/** The same with kernel modules: those that are missing make it a no, those that are not loaded are told. */
export function needsModules(machine: Machine, found: Finding, modules: readonly string[]): Finding {
  const missing = modules.filter((each) => machine.module(each) === 'missing');
  if (missing.length > 0) {
    return {
      name: found.name,
      state: 'no',
      detail: `this kernel has no ${missing.join(', ')}`,
      remedy: OTHER_KERNEL,
    };
  }
  if (found.state !== 'yes') return found;
  const unloaded = modules.filter((each) => machine.module(each) === 'loadable');
  if (unloaded.length === 0) return found;
  return {
    ...found,
    state: 'care',
    detail: `${found.detail}; not loaded: ${unloaded.join(', ')}`,
    remedy: `modprobe -a ${unloaded.join(' ')}`,
  };
}

const OTHER_KERNEL =
  'a distribution’s own kernel, for example linux-image-amd64, on a machine or VM that may choose it';

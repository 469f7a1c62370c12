import { BLOCK_STORAGE_POLICY } from './block-storage.ts';
import { COMPUTE_POLICY } from './compute.ts';
import { IDENTITY_POLICY } from './identity.ts';
import { IMAGE_POLICY } from './image.ts';
import type { Policy } from './rule.ts';

/** Each API's rules, and what it tells those who may not. */
export const POLICIES = {
  volume: {
    policy: BLOCK_STORAGE_POLICY,
    // Default types came later, and with words of their own.
    words: (rule: string) =>
      rule.startsWith('volume_extension:default_')
        ? 'You are not authorized to perform this operation.'
        : `Policy doesn't allow ${rule} to be performed.`,
  },
  compute: {
    policy: COMPUTE_POLICY,
    words: (rule: string) => `Policy doesn't allow ${rule} to be performed.`,
  },
  image: {
    policy: IMAGE_POLICY,
    words: (rule: string) => `You are not authorized to complete ${rule} action.`,
  },
  identity: {
    policy: IDENTITY_POLICY,
    words: (rule: string) => `You are not authorized to perform the requested action: ${rule}.`,
  },
} as const satisfies Record<string, { readonly policy: Policy; readonly words: (rule: string) => string }>;

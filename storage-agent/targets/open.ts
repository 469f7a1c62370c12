import { systemCompanion } from '#agent/companion.ts';
import { systemRunner } from '#agent/run.ts';
import type { StorageConfig } from '../config.ts';
import { startHelpers } from './lio/helpers.ts';
import { LIO_ROOT, prepareKernel } from './lio/prepare.ts';
import { createLioTarget } from './lio/target.ts';
import { createNoTarget } from './none.ts';
import type { OpenTarget } from './target.ts';
import { createTgtClient } from './tgt/client.ts';
import { watchTgtd } from './tgt/incarnation.ts';
import { createTgtTarget } from './tgt/target.ts';

/**
 * Opens the configured target; tgt's daemon need not run yet.
 * @throws Error when this kernel has no LIO and it is configured.
 */
export async function openTarget(config: StorageConfig): Promise<OpenTarget> {
  const { portals, iqnPrefix } = config;
  if (config.target === 'none')
    return {
      target: createNoTarget(portals, iqnPrefix),
      incarnation: async () => 'none',
      onRestart: () => {},
      close: () => {},
    };
  if (config.target === 'tgt') {
    const client = createTgtClient(config.tgtSocket);
    return { target: createTgtTarget({ client, portals, iqnPrefix }), ...watchTgtd(config.tgtSocket) };
  }
  await prepareKernel(systemRunner);
  const helpers = startHelpers({ start: systemCompanion, root: LIO_ROOT });
  return await createLioTarget({ helpers, root: LIO_ROOT, portals, iqnPrefix });
}

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { startAgent } from '#agent/agent.ts';
import { endWhenReplaced } from '#agent/end-when-replaced.ts';
import { unrecorded } from '#agent/recording.ts';
import { systemRunner } from '#agent/run.ts';
import { answerQuestions } from '#queues/answers.ts';
import { observeProcess } from '#queues/observe-process.ts';
import { createSecrets } from '#queues/secrets.ts';
import { stopSignal, systemIds, VERSION } from '#queues/system.ts';
import { log } from '#telemetry/log-levels.ts';
import { openBackends } from './backends/open.ts';
import { openBackups } from './backups/open.ts';
import { readStorageConfig } from './config.ts';
import { createStorageHandlers } from './handlers.ts';
import { createDisks } from './images/disks.ts';
import { forgetGoneImages } from './images/forget.ts';
import { openImages } from './images/open.ts';
import { createQemuImg } from './images/qemu-img.ts';
import { storageLister } from './inventory.ts';
import { noteSpace, watchExports } from './metrics.ts';
import { storageReport, withStore } from './report.ts';
import { openTarget } from './targets/open.ts';

const config = readStorageConfig(process.env);
let notReady: string | null = 'the agent is starting';
const observed = await observeProcess({
  process: 'storage',
  db: null,
  redisUrl: config.redisUrl,
  variables: process.env,
  trouble: () => notReady,
  log,
});
const backends = await openBackends(config, systemRunner);
const images = openImages(config, systemRunner);
const { target, ...daemon } = await openTarget(config);
watchExports(target);
const backups =
  config.backups === null
    ? undefined
    : await openBackups(
        config.backups,
        { runner: systemRunner, stateDir: config.stateDir, log },
        () => void agent?.reportNow(),
      );
// A new id at each start, and at each start of the target: the conductor then has every export ensured again.
const started = systemIds.uuid();
const bootId = async (): Promise<string> =>
  createHash('sha256')
    .update(`${started} ${await daemon.incarnation()}`)
    .digest('hex')
    .slice(0, 32);
const scratch = join(config.stateDir, 'disks');
const agent = await startAgent({
  kind: 'storage',
  host: config.host,
  redisUrl: config.redisUrl,
  prefix: config.prefix,
  stateDir: config.stateDir,
  scratch,
  handlers: createStorageHandlers({
    backends: new Map(backends.map(({ config, backend }) => [config.name, backend])),
    target,
    secrets: unrecorded(createSecrets(config.keys)),
    disks: createDisks(createQemuImg(systemRunner), scratch),
    ...(images === undefined ? {} : { images }),
    ...(backups === undefined ? {} : { backups: backups.store }),
  }),
  report: async () => ({
    kind: 'storage',
    host: config.host,
    bootId: await bootId(),
    version: VERSION,
    availabilityZone: config.availabilityZone,
    pools: noteSpace(await storageReport(backends, backups?.found(), log)),
    ...withStore(backups?.found()),
  }),
  onWait: (reason) => {
    notReady = reason;
  },
  log,
});
endWhenReplaced(agent, log);
const forgetting =
  images &&
  forgetGoneImages(
    backends.map(({ backend }) => backend),
    images,
    log,
  );
const stopAnswering = await answerQuestions({
  ...config,
  kind: 'storage',
  answers: { 'storage.inventory': storageLister({ backends, target, bootId }) },
  log,
});
daemon.onRestart(() => void agent.reportNow());
notReady = null;
log(`storage agent ${config.host} is ready`);

await stopSignal();
forgetting?.stop();
stopAnswering();
await agent.stop();
await observed.stop();
daemon.close();
// A queue whose Redis is away still waits for it.
process.exit();

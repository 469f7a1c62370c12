import { startAgent } from '#agent/agent.ts';
import { systemCompanion } from '#agent/companion.ts';
import { endWhenReplaced } from '#agent/end-when-replaced.ts';
import { answerQuestions } from '#queues/answers.ts';
import { observeProcess } from '#queues/observe-process.ts';
import { stopSignal, systemIds } from '#queues/system.ts';
import { log } from '#telemetry/log-levels.ts';
import { readComputeConfig } from './config.ts';
import { libvirtHypervisor, noopHypervisor } from './hypervisor.ts';
import { listenForEvictions } from './recovery/evictions.ts';
import { computeReporter } from './report/report.ts';

const stop = stopSignal();
const config = readComputeConfig(process.env);
const bootId = systemIds.uuid();
const evictions = await listenForEvictions({ ...config, bootId });
let notReady: string | null = 'the agent is starting';
const observed = await observeProcess({
  process: 'compute',
  db: null,
  redisUrl: config.redisUrl,
  variables: process.env,
  trouble: () => notReady,
  log,
});
const hypervisor =
  config.hypervisor === 'noop'
    ? noopHypervisor(config)
    : libvirtHypervisor(config, systemCompanion, evictions, log);
const starting = startAgent({
  kind: 'compute',
  host: config.host,
  redisUrl: config.redisUrl,
  prefix: config.prefix,
  stateDir: config.stateDir,
  handlers: hypervisor.handlers,
  report: computeReporter(config, bootId, hypervisor.servers),
  onWait: (reason) => {
    notReady = reason;
  },
  log,
});
// It may wait for its name for as long as another machine has it.
const agent = await Promise.race([starting, stop.then(() => process.exit())]);
endWhenReplaced(agent, log);
const stopAnswering = await answerQuestions({ ...config, kind: 'compute', answers: hypervisor.answers, log });
hypervisor.onChange(() => void agent.reportNow());
hypervisor.recover();
notReady = null;
log(`compute agent ${config.host} is ready`);

await stop;
stopAnswering();
evictions.stop();
await agent.stop();
await observed.stop();
await hypervisor.stop();
// A queue whose Redis is away still waits for it.
process.exit();

import { startAgent } from '#agent/agent.ts';
import { answerQuestions } from '#agent/answers.ts';
import { systemCompanion } from '#agent/companion.ts';
import { stopSignal, systemIds } from '#queues/system.ts';
import { readComputeConfig } from './config.ts';
import { libvirtHypervisor, noopHypervisor } from './hypervisor.ts';
import { computeReporter } from './report/report.ts';

const log = (line: string): void => console.error(line);

const stop = stopSignal();
const config = readComputeConfig(process.env);
const hypervisor =
  config.hypervisor === 'noop' ? noopHypervisor(config) : libvirtHypervisor(config, systemCompanion, log);
const agent = await startAgent({
  kind: 'compute',
  host: config.host,
  redisUrl: config.redisUrl,
  prefix: config.prefix,
  stateDir: config.stateDir,
  handlers: hypervisor.handlers,
  report: computeReporter(config, systemIds.uuid(), hypervisor.servers),
  log,
});
const stopAnswering = await answerQuestions({ ...config, kind: 'compute', answers: hypervisor.answers, log });
hypervisor.onChange(() => void agent.reportNow());
hypervisor.recover();
log(`compute agent ${config.host} is ready`);

await stop;
stopAnswering();
await agent.stop();
await hypervisor.stop();
// A queue whose Redis is away still waits for it.
process.exit();

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { startAgent } from '#agent/agent.ts';
import { systemCompanion } from '#agent/companion.ts';
import packageJson from '../package.json' with { type: 'json' };
import { readComputeConfig } from './config.ts';
import { libvirtHypervisor, noopHypervisor } from './hypervisor.ts';
import { computeReporter } from './report/report.ts';

const log = (line: string): void => console.error(line);

const config = readComputeConfig(process.env, packageJson.version);
const bootId = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
const hypervisor =
  config.hypervisor === 'noop' ? noopHypervisor(config) : libvirtHypervisor(config, systemCompanion, log);
const agent = await startAgent({
  kind: 'compute',
  host: config.host,
  redisUrl: config.redisUrl,
  prefix: config.prefix,
  stateDir: config.stateDir,
  handlers: hypervisor.handlers,
  report: computeReporter(config, bootId, hypervisor.servers),
  log,
});
hypervisor.onChange(() => void agent.reportNow());
log(`compute agent ${config.host} is ready`);

await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
await agent.stop();
await hypervisor.stop();

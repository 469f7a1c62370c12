/** `npm run lab`: a storage node and a compute node on this machine's screen until Ctrl-C; then nothing is left. */
import { rm } from 'node:fs/promises';
import { watchSignals } from '#stack/demo/interruption.ts';
import { prefixedLog } from '#stack/log.ts';
import { startLab } from './lab.ts';

const RUN_DIR = '.data/lab';
const PORT = 8776;

const interruption = watchSignals();
const starting = startLab({ runDir: RUN_DIR, port: PORT, log: prefixedLog() });
const lab = await interruption.orInterrupted(starting).catch((error: unknown) => {
  console.error(`lab: ${String(error)}`);
});
if (lab === undefined) {
  // Whatever was still starting dies with this process.
  process.exit(1);
}
const { stack, storage, compute, instance } = lab;
console.log(`
The lab is up.
  Storage node     ssh -F ${storage.sshConfig} ${storage.name}
  Compute node     ssh -F ${compute.sshConfig} ${compute.name}
  Consoles         socat - UNIX-CONNECT:${storage.consoleSocket}   and ${compute.consoleSocket}
  Guest            ${instance.name}, server ${instance.id}
  Block storage    ${stack.apiUrl}/v3/       volume_backend_name ${lab.backendName}
  Compute          ${stack.apiUrl}/compute/v2.1/
  Image            ${stack.apiUrl}/image/v2/
  Dashboard        ${stack.apiUrl}/dashboard
  Tokens           ${stack.env['BLOCKYARD_TOKENS_FILE']}   (project ${stack.project})
Ctrl-C stops it.
`);
await interruption.asked;
console.log('Stopping…');
await lab.stop();
await rm(RUN_DIR, { recursive: true, force: true });
interruption.close();

/** `npm start`: everything in the foreground until Ctrl-C; data stays in `.data/`. */
import { once } from 'node:events';
import { startStack } from './environment.ts';
import { prefixedLog } from './log.ts';
import { servicesUp } from './readiness.ts';

const RUN_DIR = '.data/stack';
const PORT = 8776;

const signals = new AbortController();
const asked = Promise.race(
  ['SIGINT', 'SIGTERM', 'SIGHUP'].map((signal) => once(process, signal, { signal: signals.signal })),
);
const stack = await startStack({ runDir: RUN_DIR, port: PORT, log: prefixedLog(), ready: servicesUp });
console.log(`
Blockyard is up.
  Block storage   ${stack.apiUrl}/v3/
  Compute         ${stack.apiUrl}/compute/v2.1/
  Dashboard       ${stack.apiUrl}/dashboard
  OpenAPI         ${stack.apiUrl}/openapi.json
  Tokens          ${stack.env['BLOCKYARD_TOKENS_FILE']}   (project ${stack.project})
Ctrl-C stops it.
`);
await asked;
console.log('Stopping…');
await stack.stop();
signals.abort();

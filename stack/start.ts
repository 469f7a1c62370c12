/** `npm start`: everything in the foreground until Ctrl-C; data stays in `.data/`. */
import { once } from 'node:events';
import { startStack } from './environment.ts';
import { prefixedLog } from './log.ts';
import { servicesUp } from './readiness.ts';
import { writeSettings } from './settings-file.ts';

const RUN_DIR = '.data/stack';
const PORT = 8776;

const signals = new AbortController();
const asked = Promise.race(
  ['SIGINT', 'SIGTERM', 'SIGHUP'].map((signal) => once(process, signal, { signal: signals.signal })),
);
const stack = await startStack({ runDir: RUN_DIR, port: PORT, log: prefixedLog(), ready: servicesUp });
const { user, project } = stack.admin;
const byPassword = ['builtin', 'keystone'].includes(stack.env['BLOCKYARD_AUTH'] ?? '');
const settings = await writeSettings(stack);
const facts = [
  ['Block storage', `${stack.apiUrl}/v3/`],
  ['Compute', `${stack.apiUrl}/compute/v2.1/`],
  ['Dashboard', `${stack.apiUrl}/dashboard`],
  ['OpenAPI', `${stack.apiUrl}/openapi.json`],
  ['Tokens', `${stack.env['BLOCKYARD_TOKENS_FILE']}   (project ${stack.project})`],
  ...(byPassword ? [['Login', `user ${user}, project ${project}; the password is the token`]] : []),
  ['Client', `${settings.client}   (". FILE" in another shell, for bin/blockyard)`],
  ['Settings', `${settings.api}   (the same, for its commands that want the api's settings)`],
] as const;
console.log('\nBlockyard is up.');
for (const [what, where] of facts) console.log(`  ${what.padEnd(16)}${where}`);
console.log('Ctrl-C stops it.\n');
await asked;
console.log('Stopping…');
await stack.stop();
signals.abort();

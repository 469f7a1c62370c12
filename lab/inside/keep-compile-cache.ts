/**
 * Loaded into the agents inside the machines. Node writes its compile cache when a process ends; an agent whose machine
 * loses its power never ends, and would compile everything anew at each start.
 */
import { writeFileSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { join } from 'node:path';

const AFTER_MS = 3_000;

setTimeout(() => {
  flushCompileCache();
  writeFileSync(join(process.env['NODE_COMPILE_CACHE']!, 'complete'), '');
}, AFTER_MS).unref();

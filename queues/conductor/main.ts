#!/usr/bin/env node
import { openDatabase } from '../database.ts';
import { migrate } from '../migrate.ts';
import { stopSignal, systemClock, systemIds, VERSION } from '../system.ts';
import { startConductor } from './conductor.ts';
import { readConfig } from './config.ts';

try {
  const config = readConfig(process.env);
  const db = openDatabase(config.databaseUrl);
  await migrate(db);
  const conductor = await startConductor({
    ...config,
    db,
    version: VERSION,
    clock: systemClock,
    ids: systemIds,
    log: (line) => console.error(line),
  });
  console.log(`conductor ${config.host} works`);
  await stopSignal();
  await conductor.stop();
  await db.destroy();
  // A queue whose Redis is away still waits for it.
  process.exit();
} catch (error) {
  console.error(`conductor: ${error instanceof Error ? error.message : String(error)}`);
  // Connections that are open by now would keep a conductor alive that does nothing.
  process.exit(1);
}

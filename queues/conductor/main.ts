#!/usr/bin/env node
import { log } from '#telemetry/log-levels.ts';
import { openDatabase } from '../database.ts';
import { migrate } from '../migrate.ts';
import { observeProcess } from '../observe-process.ts';
import { stopSignal, systemClock, systemIds, VERSION } from '../system.ts';
import { startConductor } from './conductor.ts';
import { readConfig } from './config.ts';
import { watchInstallation } from './gauges/collect.ts';

try {
  const config = readConfig(process.env);
  const db = openDatabase(config.databaseUrl);
  await migrate(db);
  const { redisUrl, prefix } = config;
  const observed = await observeProcess({ process: 'conductor', db, redisUrl, variables: process.env, log });
  if (observed.redis !== null) watchInstallation({ db, redis: observed.redis, prefix, clock: systemClock });
  const conductor = await startConductor({
    ...config,
    db,
    version: VERSION,
    clock: systemClock,
    ids: systemIds,
    log,
  });
  console.log(`conductor ${config.host} works`);
  await stopSignal();
  await conductor.stop();
  await observed.stop();
  await db.destroy();
  // A queue whose Redis is away still waits for it.
  process.exit();
} catch (error) {
  console.error(`conductor: ${error instanceof Error ? error.message : String(error)}`);
  // Connections that are open by now would keep a conductor alive that does nothing.
  process.exit(1);
}

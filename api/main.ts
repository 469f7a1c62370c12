#!/usr/bin/env node
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { openDatabase } from '#queues/database.ts';
import { migrate } from '#queues/migrate.ts';
import { createOperationGateway } from '#queues/operations/create-gateway.ts';
import { createSecrets } from '#queues/secrets.ts';
import { createApp } from './app.ts';
import { readConfig } from './config.ts';
import { createApi } from './server.ts';

/** How long requests under way may take to end once the process is told to stop. */
const GRACE_MS = 10_000;

async function main(): Promise<void> {
  const config = readConfig(process.env);
  const clock = { now: () => performance.timeOrigin + performance.now() };
  const ids = { uuid: () => randomUUID() };
  const db = openDatabase(config.databaseUrl);
  await migrate(db);
  const operations = createOperationGateway({
    db,
    redisUrl: config.redisUrl,
    prefix: config.queuePrefix,
    clock,
    ids,
  });
  const app = createApp({
    db,
    operations,
    secrets: createSecrets(config.secretKey),
    clock,
    ids,
    defaultAvailabilityZone: config.availabilityZone,
  });
  const server = createApi(app, { authenticator: config.authenticator, log: (line) => console.error(line) });
  server.listen(config.port, config.host);
  await once(server, 'listening');
  console.log(`api listens on ${config.host}:${config.port}`);

  await stopSignal();
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeIdleConnections();
  const deadline = setTimeout(() => server.closeAllConnections(), GRACE_MS);
  await closed;
  clearTimeout(deadline);
  await operations.close();
  await db.destroy();
}

function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
}

try {
  await main();
} catch (error) {
  console.error(`api: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}

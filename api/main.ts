#!/usr/bin/env node
import { once } from 'node:events';
import { hostname } from 'node:os';
import { openDatabase } from '#queues/database.ts';
import { createDirectTasks } from '#queues/drift/direct-tasks.ts';
import { migrate } from '#queues/migrate.ts';
import { observeProcess } from '#queues/observe-process.ts';
import { createOperationGateway } from '#queues/operations/create-gateway.ts';
import { createQuestions } from '#queues/questions.ts';
import { createSecrets } from '#queues/secrets.ts';
import { stopSignal, systemClock, systemIds } from '#queues/system.ts';
import { log } from '#telemetry/log-levels.ts';
import { createApp } from './app.ts';
import type { Authenticator } from './auth/authenticator.ts';
import { createBuiltinAuthenticator } from './auth/builtin.ts';
import { eitherOf } from './auth/either.ts';
import { createKeystoneAuthenticator } from './auth/keystone/authenticator.ts';
import { noAuthentication } from './auth/none.ts';
import { type Config, readConfig } from './config.ts';
import { createDashboard } from './dashboard/dashboard.ts';
import { readCertificate, renewOnHangup } from './http/certificate.ts';
import { type BuiltinIdentity, createBuiltinIdentity } from './identity/builtin/service.ts';
import { keepTidy } from './image/data/janitor.ts';
import { createImages } from './image/service.ts';
import { createApi } from './server.ts';

/** How long requests under way may take to end once the process is told to stop. */
const GRACE_MS = 10_000;

async function main(): Promise<void> {
  const config = readConfig(process.env);
  const db = openDatabase(config.databaseUrl);
  await migrate(db);
  const observed = await observeProcess({
    process: 'api',
    db,
    redisUrl: config.redisUrl,
    variables: process.env,
    log,
  });
  const operations = createOperationGateway({
    db,
    redisUrl: config.redisUrl,
    prefix: config.queuePrefix,
    clock: systemClock,
    ids: systemIds,
  });
  const images = createImages({
    name: `${hostname()}:${config.port}`,
    dir: config.imageDir,
    maxBytes: config.imageMaxBytes,
    projectBytes: config.imageProjectBytes,
    glance: config.glance,
    secretKey: config.secretKey,
    clock: systemClock,
  });
  await images.files?.prepare();
  const questions = createQuestions({
    redisUrl: config.redisUrl,
    prefix: config.queuePrefix,
    ids: systemIds,
  });
  const identity =
    config.identity &&
    createBuiltinIdentity({
      db,
      clock: systemClock,
      masterKeys: config.secretKey,
      settings: config.identity,
    });
  const app = createApp({
    db,
    operations,
    questions,
    directTasks: createDirectTasks({
      redisUrl: config.redisUrl,
      prefix: config.queuePrefix,
      clock: systemClock,
      ids: systemIds,
    }),
    secrets: createSecrets(config.secretKey),
    clock: systemClock,
    ids: systemIds,
    defaultAvailabilityZone: config.availabilityZone,
    images,
    identity,
    keystoneUrl: config.keystone?.account.authUrl,
    quotaDefaults: config.quotaDefaults,
  });
  const { redisUrl, queuePrefix: prefix } = config;
  const authenticator = authenticatorOf(config, identity);
  const dashboard = createDashboard({ db, redisUrl, prefix, authenticator });
  const server = createApi(app, {
    authenticator,
    tls: config.tls && readCertificate(config.tls),
    dashboard: dashboard.middleware,
    limits: config.limits,
    log,
  });
  server.listen(config.port, config.host);
  await once(server, 'listening');
  if (config.tls !== undefined) renewOnHangup(server, config.tls, log);
  // Once the address is ours, whoever had it before has ended.
  const janitor = await keepTidy(app, log);
  console.log(`api listens on ${config.host}:${config.port}`);

  await stopSignal();
  clearInterval(janitor);
  const closed = new Promise((resolve) => server.close(resolve));
  // Connections that are kept alive end as soon as their last reply is out.
  const idle = setInterval(() => server.closeIdleConnections(), 50);
  const deadline = setTimeout(() => server.closeAllConnections(), GRACE_MS);
  await closed;
  clearInterval(idle);
  clearTimeout(deadline);
  await dashboard.close();
  questions.close();
  await operations.close();
  await observed.stop();
  await db.destroy();
}

/** @throws Error when there is nobody to say who asks. */
function authenticatorOf(config: Config, identity: BuiltinIdentity | undefined): Authenticator {
  const { open, tokens, keystone } = config;
  if (open) return noAuthentication;
  const service =
    (identity && createBuiltinAuthenticator(identity)) ??
    (keystone && createKeystoneAuthenticator(keystone, systemClock));
  if (tokens !== undefined && service !== undefined) return eitherOf(tokens, service);
  const only = tokens ?? service;
  if (only === undefined) throw new Error('nothing says who may ask');
  return only;
}

try {
  await main();
} catch (error) {
  console.error(`api: ${error instanceof Error ? error.message : String(error)}`);
  // Connections that are open by now would keep an api alive that does not listen.
  process.exit(1);
}

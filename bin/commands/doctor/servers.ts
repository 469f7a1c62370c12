import { Redis } from 'ioredis';
import { sql } from 'kysely';
import { openDatabase } from '#queues/database.ts';
import { tlsFiles } from '#queues/tls.ts';
import { type Finding, needsProgram, type Part } from './check.ts';
import type { Machine } from './machine.ts';

/** Redis that `REDIS_URL` names: is it set so that a queue can rest on it? */
export async function queuePart(machine: Machine, url: string | undefined): Promise<Part> {
  const title = 'Queue';
  if (url === undefined) {
    const found = needsProgram(machine, 'Redis', 'redis-server', 'redis-server');
    return { title, findings: [unset(found, 'REDIS_URL')] };
  }
  return { title, findings: [await redisFinding(url)] };
}

async function redisFinding(url: string): Promise<Finding> {
  const name = 'Redis';
  const { url: plain, tls } = tlsFiles(url);
  const redis = new Redis(plain, {
    ...(url.startsWith('rediss:') && { tls }),
    lazyConnect: true,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    connectTimeout: 5_000,
  }).on('error', () => undefined);
  try {
    await redis.connect();
    const info = await redis.info();
    const fact = (key: string): string => new RegExp(`^${key}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';
    const detail = `${fact('redis_version')}, maxmemory-policy ${fact('maxmemory_policy')}, AOF ${fact('aof_enabled') === '1' ? 'on' : 'off'}`;
    const wrong = [
      ...(fact('maxmemory_policy') === 'noeviction' ? [] : ['maxmemory-policy noeviction']),
      ...(fact('aof_enabled') === '1' ? [] : ['appendonly yes']),
    ];
    if (wrong.length === 0) return { name, state: 'yes', detail };
    return { name, state: 'care', detail, remedy: `in redis.conf: ${wrong.join(', ')}` };
  } catch (error) {
    return { name, state: 'no', detail: `REDIS_URL does not answer: ${reason(error)}` };
  } finally {
    redis.disconnect();
  }
}

/** The database that `DATABASE_URL` names: does a commit mean that it is on disk? */
export async function databasePart(machine: Machine, url: string | undefined): Promise<Part> {
  const title = 'Database';
  if (url === undefined) {
    const found = needsProgram(machine, 'MySQL or MariaDB', 'mariadbd', 'mariadb-server');
    const other = machine.program('mysqld');
    const either: Finding = other === undefined ? found : { name: found.name, state: 'yes', detail: other };
    return { title, findings: [unset(either, 'DATABASE_URL')] };
  }
  return { title, findings: [await databaseFinding(url)] };
}

async function databaseFinding(url: string): Promise<Finding> {
  const name = 'MySQL or MariaDB';
  if (!URL.canParse(url)) return { name, state: 'no', detail: 'DATABASE_URL is not a URL' };
  const db = openDatabase(url, { connections: 1 });
  try {
    const { rows } = await sql<{ version: string; flush: number; binlog: number; sync: number }>`
      SELECT VERSION() AS version, @@innodb_flush_log_at_trx_commit AS flush, @@log_bin AS binlog, @@sync_binlog AS sync
    `.execute(db);
    const found = rows[0]!;
    const detail = `${found.version}, innodb_flush_log_at_trx_commit ${found.flush}`;
    if (found.flush !== 1)
      return {
        name,
        state: 'care',
        detail,
        remedy: 'innodb_flush_log_at_trx_commit = 1, or a crash loses what was answered',
      };
    if (found.binlog === 1 && found.sync !== 1)
      return {
        name,
        state: 'care',
        detail: `${detail}, sync_binlog ${found.sync}`,
        remedy: 'sync_binlog = 1, or a crash leaves replicas behind',
      };
    return { name, state: 'yes', detail };
  } catch (error) {
    return { name, state: 'no', detail: `DATABASE_URL does not answer: ${reason(error)}` };
  } finally {
    await db.destroy();
  }
}

function unset(found: Finding, variable: string): Finding {
  if (found.state === 'no') return found;
  return {
    ...found,
    detail: `${found.detail}; ${variable} is not set, so nothing was asked about its settings`,
  };
}

/** A driver's message; some have only a code, and none of ours holds the password. */
function reason(error: unknown): string {
  const { message, code } = error as { message?: string; code?: string };
  return message || (code ?? 'unknown reason');
}

import assert from 'node:assert/strict';
import { asId, type BackupId, type OperationId, type ServerId } from '#schema/ids.ts';
import { startApi, type TestApi, type Who } from '../support/api.ts';
import { type Kit, makeKit } from './support/kit.ts';

const TOLD =
  'blkdiscard: /dev/vg1/volume-1: busy (state in /var/lib/blockyard/journal); portal 10.1.2.3:3260, [fd00::1]:3260, fd00::1:3260, fd00:1:2:3:4:5:6:7 (at 10:20:30); getaddrinfo ENOTFOUND store.internal; Get "https://store.internal:9000/bucket/data"';
const HIDDEN =
  'blkdiscard: …/volume-1: busy (state in …/journal); portal …:3260, …:3260, …, … (at 10:20:30); getaddrinfo ENOTFOUND …; Get "https://…/data"';

describe('where things lie on hosts', () => {
  let api: TestApi;
  let kit: Kit;
  before(async () => {
    api = await startApi();
    kit = await makeKit(api, 'member');
    const operation = asId<OperationId>(kit.operation);
    await api.db
      .updateTable('operations')
      .set({ state: 'undone', error: TOLD })
      .where('id', '=', operation)
      .execute();
    await api.db
      .insertInto('operation_steps')
      .values({
        operation_id: operation,
        position: 1,
        name: 'volume',
        direction: 'do',
        host: 'stor1',
        state: 'failed',
        attempt: 1,
        output: null,
        error: TOLD,
        wait_ms: 1,
        commands: null,
        started_at: '2026-01-01 00:00:00',
        ended_at: null,
      })
      .execute();
    await api.db
      .updateTable('backups')
      .set({ status: 'error', fail_reason: TOLD })
      .where('id', '=', asId<BackupId>(kit.backup))
      .execute();
    await api.db
      .updateTable('servers')
      .set({ status: 'ERROR', fault: TOLD })
      .where('id', '=', asId<ServerId>(kit.server))
      .execute();
  });
  after(() => api[Symbol.asyncDispose]());

  const told = async (as: Who) => {
    const shown = await api.call('GET', `/operations/${kit.operation}`, { as });
    const { operations } = (await api.call('GET', '/operations', { as })).body;
    const message = await api.call('GET', `/messages/${kit.operation}`, { as });
    const { messages } = (await api.call('GET', '/messages', { as })).body;
    const backup = await api.call('GET', `/backups/${kit.backup}`, { as });
    const server = await api.compute('GET', `/servers/${kit.server}`, { as });
    const isOurs = ({ id }: { id: string }): boolean => id === kit.operation;
    return {
      operation: shown.body.operation.error,
      step: shown.body.operation.steps[0].error,
      listed: operations.find(isOurs).error,
      message: message.body.message.user_message,
      listedMessage: messages.find(isOurs).user_message,
      backup: backup.body.backup.fail_reason,
      server: server.body.server.fault.message,
    };
  };

  for (const [as, words] of [
    ['admin', TOLD],
    ['member', HIDDEN],
    ['reader', HIDDEN],
  ] as const) {
    it(`are ${as === 'admin' ? 'shown' : 'hidden'} in errors, faults, messages and reasons: ${as}`, async () => {
      for (const [place, text] of Object.entries(await told(as))) {
        assert.ok(text.includes(words), `${place}: ${text}`);
      }
    });
  }
});

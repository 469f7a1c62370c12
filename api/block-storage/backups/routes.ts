import { anyQuery, idParams, noParams } from '#api/http/fields.ts';
import { type Route, route } from '#api/http/route.ts';
import { createBackup } from './create.ts';
import { deleteBackup } from './delete.ts';
import { exportRecord, importRecord } from './import.ts';
import { BACKUP_LIST_QUERY, readBackups } from './list.ts';
import { restoreBackup } from './restore.ts';
import { findBackup } from './rows.ts';
import * as schema from './schema.ts';
import { resetStatus, updateBackup } from './update.ts';
import { detailView, summaryView } from './view.ts';

const UPDATE_SINCE = 9;

export const backupRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/backups',
    summary: 'List backups',
    params: noParams,
    query: anyQuery,
    ...BACKUP_LIST_QUERY,
    replies: { 200: schema.backupsReply },
    handle: async (context, { query }) => {
      const { rows, beside } = await readBackups(context, query, 'backups');
      return { status: 200, body: { backups: rows.map((row) => summaryView(context, row)), ...beside } };
    },
  }),
  route({
    method: 'POST',
    path: '/backups',
    summary: 'Create a backup',
    params: noParams,
    query: anyQuery,
    body: schema.createBody,
    replies: { 202: schema.summaryReply },
    handle: (context, { body }) => createBackup(context, body.backup),
  }),
  route({
    method: 'GET',
    path: '/backups/detail',
    summary: 'List backups with details',
    params: noParams,
    query: anyQuery,
    ...BACKUP_LIST_QUERY,
    replies: { 200: schema.backupsDetailReply },
    handle: async (context, { query }) => {
      const { rows, beside } = await readBackups(context, query, 'backups/detail');
      return { status: 200, body: { backups: rows.map((row) => detailView(context, row)), ...beside } };
    },
  }),
  route({
    method: 'POST',
    path: '/backups/import_record',
    summary: 'Import a backup',
    params: noParams,
    query: anyQuery,
    body: schema.importBody,
    replies: { 201: schema.summaryReply },
    handle: (context, { body: { 'backup-record': record } }) =>
      importRecord(context, record.backup_service, record.backup_url),
  }),
  route({
    method: 'GET',
    path: '/backups/{id}',
    summary: 'Show a backup',
    params: idParams,
    query: anyQuery,
    replies: { 200: schema.backupReply },
    handle: async (context, { params }) => ({
      status: 200,
      body: { backup: detailView(context, await findBackup(context, params.id)) },
    }),
  }),
  route({
    method: 'PUT',
    path: '/backups/{id}',
    summary: 'Update a backup',
    since: UPDATE_SINCE,
    params: idParams,
    query: anyQuery,
    body: schema.updateBody,
    replies: { 200: schema.summaryReply },
    handle: (context, { params, body }) => updateBackup(context, params.id, body.backup),
  }),
  route({
    method: 'DELETE',
    path: '/backups/{id}',
    summary: 'Delete a backup',
    params: idParams,
    query: anyQuery,
    replies: { 202: null },
    handle: (context, { params }) => deleteBackup(context, params.id, { force: false }),
  }),
  route({
    method: 'POST',
    path: '/backups/{id}/restore',
    summary: 'Restore a backup',
    params: idParams,
    query: anyQuery,
    body: schema.restoreBody,
    replies: { 202: schema.restoreReply },
    handle: (context, { params, body }) => restoreBackup(context, params.id, body.restore ?? {}),
  }),
  route({
    method: 'GET',
    path: '/backups/{id}/export_record',
    summary: 'Export a backup',
    params: idParams,
    query: anyQuery,
    replies: { 200: schema.recordReply },
    handle: (context, { params }) => exportRecord(context, params.id),
  }),
  route({
    method: 'POST',
    path: '/backups/{id}/action',
    action: 'os-reset_status',
    summary: "Reset a backup's status",
    params: idParams,
    query: anyQuery,
    body: schema.resetStatusBody,
    replies: { 202: null },
    handle: (context, { params, body }) => resetStatus(context, params.id, body['os-reset_status'].status),
  }),
  route({
    method: 'POST',
    path: '/backups/{id}/action',
    action: 'os-force_delete',
    summary: 'Delete a backup by force',
    params: idParams,
    query: anyQuery,
    body: schema.forceDeleteBody,
    replies: { 202: null },
    handle: (context, { params }) => deleteBackup(context, params.id, { force: true }),
  }),
];

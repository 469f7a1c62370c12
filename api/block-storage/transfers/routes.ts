import type { RequestContext } from '#api/http/context.ts';
import { anyQuery, idParams, noParams } from '#api/http/fields.ts';
import { LIST_QUERY } from '#api/http/pagination.ts';
import { type Reply, type Route, route } from '#api/http/route.ts';
import { unexpected } from '../versioned-body.ts';
import { acceptTransfer } from './accept.ts';
import { createTransfer } from './create.ts';
import { deleteTransfer } from './delete.ts';
import { FILTER_NAMES, readTransfers } from './list.ts';
import { findTransfer } from './rows.ts';
import * as schema from './schema.ts';
import { detailView, summaryView } from './view.ts';

const NO_SNAPSHOTS_SINCE = 55;
/** From here on an encrypted volume can be offered, by the newer name. */
const ENCRYPTED_SINCE = 70;

/** The same under both names; only the newer one takes snapshots into account when asked, and sorts. */
function transferRoutesAt(path: '/os-volume-transfer' | '/volume-transfers'): Route[] {
  const newer = path === '/volume-transfers';
  const collection = path.slice(1);
  const words = newer ? '' : ', by the older name';
  const names = {
    queryNames: [...(newer ? LIST_QUERY : ['limit', 'offset']), ...FILTER_NAMES],
    adminQueryNames: ['all_tenants'],
  };

  async function list(
    context: RequestContext,
    query: Readonly<Record<string, string>>,
    detail: boolean,
  ): Promise<Reply> {
    const { rows, links } = await readTransfers(
      context,
      query,
      detail ? `${collection}/detail` : collection,
      newer,
    );
    const view = detail ? detailView : summaryView;
    return {
      status: 200,
      body: {
        transfers: rows.map((row) => view(context, row)),
        ...(links.length > 0 && { transfers_links: links }),
      },
    };
  }

  return [
    route({
      method: 'GET',
      path,
      summary: `List transfers${words}`,
      params: noParams,
      query: anyQuery,
      ...names,
      replies: { 200: schema.transfersReply },
      handle: (context, { query }) => list(context, query, false),
    }),
    route({
      method: 'GET',
      path: `${path}/detail`,
      summary: `List transfers with details${words}`,
      params: noParams,
      query: anyQuery,
      ...names,
      replies: { 200: schema.transfersDetailReply },
      handle: (context, { query }) => list(context, query, true),
    }),
    route({
      method: 'POST',
      path,
      summary: `Offer a volume to another project${words}`,
      params: noParams,
      query: anyQuery,
      body: newer ? schema.createWithSnapshotsBody : schema.createBody,
      replies: { 202: schema.createdReply },
      handle: (context, { body: { transfer } }) => {
        if ('no_snapshots' in transfer && context.microversion < NO_SNAPSHOTS_SINCE) {
          throw unexpected('transfer', transfer, ['no_snapshots']);
        }
        return createTransfer(context, transfer, newer && context.microversion >= ENCRYPTED_SINCE);
      },
    }),
    route({
      method: 'GET',
      path: `${path}/{id}`,
      summary: `Show a transfer${words}`,
      params: idParams,
      query: anyQuery,
      replies: { 200: schema.transferReply },
      handle: async (context, { params }) => ({
        status: 200,
        body: { transfer: detailView(context, await findTransfer(context, params.id)) },
      }),
    }),
    route({
      method: 'POST',
      path: `${path}/{id}/accept`,
      summary: `Accept a volume that is offered${words}`,
      params: idParams,
      query: anyQuery,
      body: schema.acceptBody,
      replies: { 202: schema.acceptedReply },
      handle: (context, { params, body }) => acceptTransfer(context, params.id, body.accept.auth_key),
    }),
    route({
      method: 'DELETE',
      path: `${path}/{id}`,
      summary: `Take an offer back${words}`,
      params: idParams,
      query: anyQuery,
      replies: { 202: null },
      handle: (context, { params }) => deleteTransfer(context, params.id),
    }),
  ];
}

export const transferRoutes: readonly Route[] = [
  ...transferRoutesAt('/os-volume-transfer'),
  ...transferRoutesAt('/volume-transfers'),
];

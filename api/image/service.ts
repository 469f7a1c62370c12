import { badRequest } from '#api/http/errors.ts';
import { type KeystoneAccount, keystoneTokens } from '#images/keystone.ts';
import { type ImageAction, ticketHolder } from '#images/ticket.ts';
import { agentKeys } from '#queues/secrets.ts';
import type { Clock } from '#schema/clock.ts';
import type { ImageCatalog } from './catalog/catalog.ts';
import { glanceCatalog } from './catalog/glance.ts';
import { createGlanceClient } from './catalog/glance-client.ts';
import { localCatalog } from './catalog/local.ts';
import { ImageFiles } from './data/files.ts';

/** Where images are, and how many bytes they may have. */
export interface Images {
  /** This api's name beside the others': who is saving an image. */
  readonly name: string;
  /** Absent: data are not kept here. */
  readonly files: ImageFiles | undefined;
  /** Why `/image` answers nothing; null when it does. */
  readonly closed: string | null;
  /** Of one image. */
  readonly maxBytes: number;
  /** Of all images of one project; undefined for no limit. */
  readonly projectBytes: number | undefined;
  /** What volumes are made from, and made into. */
  readonly catalog: ImageCatalog;
  /** Which storage agent shows a ticket that allows this now; null when it doesn't. */
  holder(ticket: string, imageId: string, action: ImageAction): string | null;
}

export interface ImageOptions {
  readonly name: string;
  /** Undefined: images are not kept here. */
  readonly dir: string | undefined;
  readonly maxBytes: number;
  readonly projectBytes: number | undefined;
  readonly secretKey: string;
  readonly clock: Clock;
  /** A real Glance that images come from; an account of null for one that asks for none. */
  readonly glance?: { readonly url: string; readonly account: KeystoneAccount | null } | undefined;
}

const NOT_KEPT = 'This api keeps no images: neither BLOCKYARD_IMAGE_DIR nor BLOCKYARD_STATE_DIR is set.';

const notKept = async (): Promise<never> => {
  throw badRequest(NOT_KEPT);
};
const NOWHERE: ImageCatalog = { find: notKept, named: notKept, prepare: notKept };

export function createImages(options: ImageOptions): Images {
  const { dir, glance, secretKey, clock } = options;
  const closed = dir === undefined ? NOT_KEPT : null;
  return {
    name: options.name,
    files: glance === undefined && dir !== undefined ? new ImageFiles(dir) : undefined,
    closed: glance === undefined ? closed : `Images are kept by the image service at ${glance.url}.`,
    maxBytes: options.maxBytes,
    projectBytes: options.projectBytes,
    catalog: glance === undefined ? (closed === null ? localCatalog : NOWHERE) : catalogOf(glance, clock),
    holder: (ticket, id, action) =>
      ticketHolder((agent) => agentKeys(secretKey, agent), ticket, id, action, clock.now()),
  };
}

function catalogOf({ url, account }: NonNullable<ImageOptions['glance']>, clock: Clock): ImageCatalog {
  const tokens = account === null ? null : keystoneTokens(account, () => clock.now());
  return glanceCatalog(createGlanceClient(url, tokens));
}

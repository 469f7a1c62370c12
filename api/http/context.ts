import type { Kysely } from 'kysely';
import type { OperationGateway } from '#queues/operations/gateway.ts';
import type { Secrets } from '#queues/secrets.ts';
import type { Clock } from '#schema/clock.ts';
import type { Ids, ProjectId, UserId } from '#schema/ids.ts';
import type { Tables } from '#schema/tables.ts';

/** Who asks, as the auth mode found out. */
export interface Caller {
  readonly projectId: ProjectId;
  readonly userId: UserId;
  readonly roles: readonly string[];
  readonly isAdmin: boolean;
}

/** What every handler shares; built once at start. */
export interface App {
  readonly db: Kysely<Tables>;
  readonly operations: OperationGateway;
  readonly secrets: Secrets;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly defaultAvailabilityZone: string;
}

export interface RequestContext {
  readonly app: App;
  readonly caller: Caller;
  /** `req-<uuid>` */
  readonly requestId: string;
  /** The minor of 3.x for block storage; of 2.x for compute. */
  readonly microversion: number;
  /** `http://host:port/v3` (or `/compute/v2.1`): what links begin with. */
  readonly baseUrl: string;
}

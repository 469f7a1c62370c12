import type { Kysely } from 'kysely';
import type { QuotaDefaults } from '#api/block-storage/quotas/resources.ts';
import type { DefaultTypes } from '#api/block-storage/types/default-types.ts';
import type { VolumeLoader } from '#api/block-storage/volumes/rows.ts';
import type { BuiltinIdentity } from '#api/identity/builtin/service.ts';
import type { Images } from '#api/image/service.ts';
import type { DirectTasks } from '#queues/drift/direct-tasks.ts';
import type { KeyManager } from '#queues/key-manager/key-manager.ts';
import type { Limited } from '#queues/limited.ts';
import type { OperationGateway } from '#queues/operations/gateway.ts';
import type { Questions } from '#queues/questions.ts';
import type { Secrets } from '#queues/secrets.ts';
import type { Clock } from '#schema/clock.ts';
import type { Ids, ProjectId, UserId } from '#schema/ids.ts';
import type { Tables } from '#schema/tables.ts';

/** What a token is good for; without a project there is nothing to store for anybody. */
export type CallerScope = 'project' | 'domain' | 'system' | 'none';

/** Who asks, as the auth mode found out. */
export interface Caller {
  /** Empty when the token is good for no project. */
  readonly projectId: ProjectId;
  readonly userId: UserId;
  readonly roles: readonly string[];
  readonly isAdmin: boolean;
  /** An admin whose token proves it may name any project's resource by id, as in Cinder. */
  readonly seesAllProjects: boolean;
  readonly scope: CallerScope;
}

/** What every handler shares; built once at start. */
export interface App {
  readonly db: Kysely<Tables>;
  readonly operations: OperationGateway;
  /** What agents are asked about, besides what they do. */
  readonly questions: Questions;
  /** What agents are told to do about things that MySQL knows nothing of. */
  readonly directTasks: DirectTasks;
  readonly secrets: Secrets;
  /** What opens encrypted volumes. */
  readonly keys: KeyManager;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly defaultAvailabilityZone: string;
  /** What a project may use where no limit has been set for it. */
  readonly quotaDefaults: QuotaDefaults;
  readonly images: Images;
  /** Undefined unless the api is its own identity service. */
  readonly identity: BuiltinIdentity | undefined;
  /** Where clients log in instead, if at a Keystone. */
  readonly keystoneUrl: string | undefined;
  /** Reads of one volume, joined where they come together. */
  readonly volumes: VolumeLoader;
  readonly defaultTypes: DefaultTypes;
  /**
   * Where large lists wait for one another: more of them side by side would not be quicker on one thread, and would only hold
   * all their rows in memory together.
   */
  readonly lists: Limited;
}

export interface RequestContext {
  readonly app: App;
  readonly caller: Caller;
  /** `req-<uuid>` */
  readonly requestId: string;
  /** The minor of 3.x for block storage; of 2.x for compute. */
  readonly microversion: number;
  /** What links begin with: `http://host:port/v3`, or `…/v3/<project>` when the request's path names the project. */
  readonly selfUrl: string;
  /** The same without the API's version, for Cinder's `bookmark` links. */
  readonly bookmarkUrl: string;
  /** The query as it came, without the question mark: what a `next` link repeats. */
  readonly rawQuery: string;
  /** The If-Match header, for the two routes that have entity tags. */
  readonly ifMatch: string | undefined;
  /** The Range header, for image data. */
  readonly range: string | undefined;
  /** The token that the request has proved itself with, and the one that it is about (Keystone's `X-Subject-Token`). */
  readonly token: string | undefined;
  readonly subjectToken: string | undefined;
}

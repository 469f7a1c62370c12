import { TaskError } from '#schema/tasks.ts';

/** A step's host is down. */
export class HostDown extends TaskError {
  /** The host may have begun with the task; false: it never saw it. */
  readonly begun: boolean;

  constructor(message: string, begun: boolean) {
    super('failed', message);
    this.begun = begun;
  }
}

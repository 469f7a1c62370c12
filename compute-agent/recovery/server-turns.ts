interface Server {
  tasks: number;
  recovering: boolean;
  /** Called at each change. */
  readonly waiting: Set<() => void>;
}

const isIdle = ({ recovering, tasks }: Server): boolean => !recovering && tasks === 0;

/**
 * Keeps the recovery of a server apart from tasks that concern it: a task that saw the server shut off must not take a
 * volume from under it while it is being started. Tasks of one server may overlap each other.
 */
export class ServerTurns {
  readonly #servers = new Map<string, Server>();

  /** Runs a task as soon as nobody is recovering its server. */
  async task<T>(serverId: string, work: () => Promise<T>): Promise<T> {
    return await this.#turn(
      serverId,
      (server) => !server.recovering,
      (server, change) => (server.tasks += change),
      work,
    );
  }

  /** Recovers a server as soon as no task concerns it. */
  async alone<T>(serverId: string, work: () => Promise<T>): Promise<T> {
    return await this.#turn(serverId, isIdle, (server, change) => (server.recovering = change === 1), work);
  }

  /**
   * As `alone`, if that can begin now; nothing is waited for.
   * @returns whether it could.
   */
  async aloneNow(serverId: string, work: () => Promise<unknown>): Promise<boolean> {
    const server = this.#servers.get(serverId.toLowerCase());
    if (server !== undefined && !isIdle(server)) return false;
    await this.alone(serverId, work);
    return true;
  }

  /** Resolves once nothing is done to a server; somebody else may begin at once. */
  async idle(serverId: string): Promise<void> {
    for (;;) {
      const server = this.#servers.get(serverId.toLowerCase());
      if (server === undefined || isIdle(server)) return;
      await new Promise<void>((resolve) => server.waiting.add(resolve));
    }
  }

  async #turn<T>(
    serverId: string,
    free: (server: Server) => boolean,
    mark: (server: Server, change: 1 | -1) => void,
    work: () => Promise<T>,
  ): Promise<T> {
    const key = serverId.toLowerCase();
    const server = this.#servers.get(key) ?? { tasks: 0, recovering: false, waiting: new Set() };
    this.#servers.set(key, server);
    while (!free(server)) await new Promise<void>((resolve) => server.waiting.add(resolve));
    mark(server, 1);
    try {
      return await work();
    } finally {
      mark(server, -1);
      const waiting = [...server.waiting];
      server.waiting.clear();
      for (const wake of waiting) wake();
      if (waiting.length === 0 && isIdle(server)) this.#servers.delete(key);
    }
  }
}

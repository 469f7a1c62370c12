interface Server {
  tasks: number;
  recovering: boolean;
  /** Called at each change. */
  readonly waiting: Set<() => void>;
}

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
    return await this.#turn(
      serverId,
      (server) => !server.recovering && server.tasks === 0,
      (server, change) => (server.recovering = change === 1),
      work,
    );
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
      if (waiting.length === 0 && server.tasks === 0 && !server.recovering) this.#servers.delete(key);
    }
  }
}

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Stack, startStack } from '#stack/environment.ts';
import { servicesUp } from '#stack/readiness.ts';

export type Program = 'openstack' | 'cinder';

// The clients print documents of every shape; the walks look only at what they are about.
// oxlint-disable-next-line typescript/no-explicit-any
type Json = any;

/** What a command said. */
export interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const WITHIN_MS = 120_000;
/** The newest microversion that these clients know; they refuse to ask for a newer one. */
const NEWEST = '3.70';

/** The whole stack without a hypervisor: two back ends of files, a real target, and the stock clients beside it. */
export class ClientRig implements AsyncDisposable {
  readonly stack: Stack;
  readonly dir: string;
  readonly #drivers: ChildProcess[] = [];

  private constructor(stack: Stack, dir: string) {
    this.stack = stack;
    this.dir = dir;
  }

  static async start(): Promise<ClientRig> {
    const dir = await mkdtemp(join(tmpdir(), 'by-c-'));
    const backends = ['lvm', 'lvm2'].map((name) => `file:name=${name},path=${dir}/volumes/${name}`);
    const stack = await startStack({
      runDir: join(dir, 'run'),
      auth: 'builtin',
      hypervisor: 'noop',
      env: {
        BLOCKYARD_BACKENDS: backends.join(';'),
      },
      log: (name, line) => appendFileSync(join(dir, 'log'), `${name} ${line}\n`),
      ready: (started) => servicesUp(started, ['cinder-backup']),
    });
    return new ClientRig(stack, dir);
  }

  /** What a stock client finds its way with. */
  get env(): Readonly<Record<string, string>> {
    const { admin } = this.stack;
    return {
      PATH: '/usr/bin:/bin',
      HOME: this.dir,
      LC_ALL: 'C.UTF-8',
      OS_AUTH_TYPE: 'password',
      OS_AUTH_URL: `${this.stack.apiUrl}/identity/v3`,
      OS_USERNAME: admin.user,
      OS_PASSWORD: admin.password,
      OS_PROJECT_NAME: admin.project,
      OS_USER_DOMAIN_NAME: admin.domain,
      OS_PROJECT_DOMAIN_NAME: admin.domain,
      OS_VOLUME_API_VERSION: NEWEST,
      OS_COMPUTE_API_VERSION: '2.79',
    };
  }

  /** One client's commands, told apart from one another. @param env in the place of what `env` has */
  walk(program: Program, env: Readonly<Record<string, string>> = {}): Walk {
    const driver = spawn('/usr/bin/python3', [join(import.meta.dirname, 'driver.py')], {
      env: { ...this.env, ...env },
      cwd: this.dir,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#drivers.push(driver);
    return new Walk(program, driver);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const driver of this.#drivers) driver.kill();
    await this.stack.stop();
    await rm(this.dir, { recursive: true, force: true });
  }
}

/** Runs one client's commands, and remembers which. */
export class Walk {
  readonly #program: Program;
  readonly #driver: ChildProcess;
  readonly #answers: AsyncIterator<string>;
  readonly #walked = new Set<string>();

  constructor(program: Program, driver: ChildProcess) {
    this.#program = program;
    this.#driver = driver;
    this.#answers = createInterface({ input: driver.stdout! })[Symbol.asyncIterator]();
  }

  /** Commands that have succeeded. */
  get walked(): ReadonlySet<string> {
    return this.#walked;
  }

  /** All that this client has, of its own accord; `beside` and `identity`: others of openstack's, see driver.py. */
  async commands(which: Program | 'beside' | 'identity' = this.#program): Promise<string[]> {
    const { commands } = (await this.#ask({ commands: which })) as { commands: string[] };
    return commands;
  }

  /** @param argv behind the command; what it says goes uninterpreted. */
  async says(command: string, ...argv: string[]): Promise<Said> {
    const words = this.#program === 'openstack' ? command.split(' ') : [command];
    return (await this.#ask({ client: this.#program, argv: [...words, ...argv] })) as Said;
  }

  /**
   * A command that the client itself breaks off with these words, after it has asked: its effect is for the caller to look at.
   * @throws AssertionError when it does not any more.
   */
  async breaks(words: RegExp, command: string, ...argv: string[]): Promise<void> {
    await this.refused(words, command, ...argv);
  }

  /** A command that is refused, with these words, and as a real Cinder like this one would. */
  async refused(words: RegExp, command: string, ...argv: string[]): Promise<void> {
    const { code, stdout, stderr } = await this.says(command, ...argv);
    assert.match(`${stderr}${stdout}`, words);
    assert.notEqual(code, 0);
    this.#walked.add(command);
  }

  /** @throws AssertionError unless the command succeeds. @returns what it printed */
  async run(command: string, ...argv: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.says(command, ...argv);
    assert.equal(code, 0, `${this.#program} ${command} ${argv.join(' ')}: ${stderr}${stdout}`);
    this.#walked.add(command);
    return stdout;
  }

  /** The same, of openstack's commands that can print JSON. */
  async json(command: string, ...argv: string[]): Promise<Json> {
    return JSON.parse(await this.run(command, ...argv, '-f', 'json'));
  }

  /** The rows of the table that cinder prints: header → cell. */
  async rows(command: string, ...argv: string[]): Promise<Record<string, string>[]> {
    return tableOf(await this.run(command, ...argv));
  }

  /** Of a table of two columns: property → value. */
  async properties(command: string, ...argv: string[]): Promise<Record<string, string>> {
    const rows = (await this.rows(command, ...argv)).map((row) => Object.values(row));
    return Object.fromEntries(rows.map(([property = '', value = '']) => [property, value]));
  }

  /** Asks until the check passes. */
  async until<T>(ask: () => Promise<T>, check: (answer: T) => boolean): Promise<T> {
    const deadline = performance.now() + WITHIN_MS;
    for (;;) {
      const answer = await ask();
      if (check(answer)) return answer;
      assert.ok(performance.now() < deadline, `still ${JSON.stringify(answer)}`);
      await sleep(50);
    }
  }

  async #ask(question: object): Promise<unknown> {
    this.#driver.stdin!.write(`${JSON.stringify(question)}\n`);
    const { value, done } = await this.#answers.next();
    if (done === true) throw new Error('the driver of the clients has ended');
    return JSON.parse(value);
  }
}

/** Rows of prettytable's output; a cell may go on in the next lines, which then belong to the row above. */
function tableOf(text: string): Record<string, string>[] {
  const lines = text.split('\n').filter((line) => line.startsWith('|'));
  const [header = [], ...rows] = lines.map((line) =>
    line
      .slice(1, line.lastIndexOf('|'))
      .split(' | ')
      .map((cell) => cell.trim()),
  );
  return rows.map((cells) => Object.fromEntries(header.map((name, i) => [name, cells[i] ?? ''])));
}

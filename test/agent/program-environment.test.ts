import assert from 'node:assert/strict';
import { systemCompanion } from '#agent/companion.ts';
import { cloudAccount } from '#agent/program-environment.ts';
import { systemRunner } from '#agent/run.ts';
import { streamed } from '#agent/stream.ts';

const PLANTED = {
  BLOCKYARD_AGENT_KEY: 'planted',
  BLOCKYARD_BACKUP_PASSWORD: 'planted',
  DATABASE_URL: 'mysql://planted',
  REDIS_URL: 'redis://planted',
  OTEL_EXPORTER_OTLP_HEADERS: 'planted',
  AWS_SECRET_ACCESS_KEY: 'planted',
};
const GIVEN = { LVM_SYSTEM_DIR: '/given' };

/** Each way in which an agent runs a program. */
const WAYS: Readonly<Record<string, () => Promise<string>>> = {
  'is run': async () => (await systemRunner.run('env', [], { env: GIVEN })).stdout,
  async 'is read as it writes'() {
    let text = '';
    await streamed('env', [], { env: GIVEN, signal: new AbortController().signal }, async (data) => {
      for await (const part of data) text += part.toString();
    });
    return text;
  },
  async 'lives beside the agent'() {
    const companion = systemCompanion('env', [], GIVEN);
    let text = '';
    companion.onStdout((part) => {
      text += part;
    });
    await companion.ended;
    return text;
  },
};

describe('the environment of a program', () => {
  const before = { ...process.env };
  beforeEach(() => Object.assign(process.env, PLANTED));
  afterEach(() => {
    for (const name of Object.keys(PLANTED)) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
  });

  for (const [way, run] of Object.entries(WAYS)) {
    it(`that ${way} has no account or key of the agent’s`, async () => {
      const variables = (await run()).split('\n');
      for (const name of Object.keys(PLANTED)) {
        assert.deepEqual(
          variables.filter((each) => each.startsWith(`${name}=`)),
          [],
        );
      }
      for (const each of ['LC_ALL=C', 'LVM_SYSTEM_DIR=/given', `PATH=${process.env['PATH']}`]) {
        assert.ok(variables.includes(each), each);
      }
    });
  }

  it('has an object store’s account where the program is to reach one', async () => {
    const { stdout } = await systemRunner.run('env', [], { env: cloudAccount() });
    assert.match(stdout, /^AWS_SECRET_ACCESS_KEY=planted$/m);
  });
});

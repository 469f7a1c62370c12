import assert from 'node:assert/strict';
import { Recorder } from '#agent/recorder.ts';
import { recorded, recordingTo, unrecorded } from '#agent/recording.ts';
import { systemRunner } from '#agent/run.ts';
import { createSecrets } from '#queues/secrets.ts';
import { LONGEST_COMMAND, MOST_COMMANDS, splitAccount, taskAccount, withAccount } from '#schema/accounts.ts';

const done = (command: string, exitCode: number | null = 0) => ({
  command,
  exitCode,
  error: exitCode === 0 ? null : `${command} failed`,
  began: performance.now(),
  ended: performance.now(),
});

describe('a task’s account', () => {
  it('tells of programs, how they ended, and what they said', async () => {
    const recorder = new Recorder();
    await recordingTo(recorder, async () => {
      await systemRunner.run('printf', ['%s', 'a b']);
      await assert.rejects(systemRunner.run('sh', ['-c', 'echo it cannot be >&2; exit 5']));
      await assert.rejects(systemRunner.run('blockyard-has-no-such-program', []));
    });
    await systemRunner.run('true', []);
    const { commands } = taskAccount.parse(recorder.account());
    assert.deepEqual(
      commands.map(({ command, exit_code }) => [command, exit_code]),
      [
        [`printf %s 'a b'`, 0],
        [`sh -c 'echo it cannot be >&2; exit 5'`, 5],
        ['blockyard-has-no-such-program', null],
      ],
    );
    assert.match(commands[1]?.error ?? '', /exited with 5: it cannot be$/);
  });

  it('counts only the time at work, over all attempts', async () => {
    const recorder = new Recorder();
    const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
    await recorder.attempt(() => wait(30));
    await wait(60);
    await assert.rejects(
      recorder.attempt(async () => {
        await wait(30);
        throw new Error('x');
      }),
    );
    const { ran_ms } = recorder.account();
    assert.ok(ran_ms >= 58 && ran_ms < 90, String(ran_ms));
  });

  it('never grows beyond its bounds, and keeps what failed', () => {
    const recorder = new Recorder();
    recorder.add(done('the first one', 7));
    for (let index = 0; index < 3 * MOST_COMMANDS; index++)
      recorder.add(done(`${index} ${'x'.repeat(9_999)}`));
    recorder.add(done('the last one', null));
    const account = taskAccount.parse(recorder.account());
    assert.equal(account.commands.length, MOST_COMMANDS);
    assert.equal(account.omitted, 2 * MOST_COMMANDS + 2);
    assert.equal(account.commands[0]?.command, 'the first one');
    assert.equal(account.commands.at(-1)?.command, 'the last one');
    assert.ok(account.commands.every(({ command }) => command.length <= LONGEST_COMMAND));
    for (let index = 0; index < 2 * MOST_COMMANDS; index++) recorder.add(done(`bad ${index}`, 1));
    assert.equal(recorder.account().commands.length, MOST_COMMANDS);
  });

  it('shows no secret, in whatever spelling', async () => {
    const secrets = createSecrets('ab'.repeat(32));
    const secret = secrets.chapSecret();
    const sealed = secrets.encrypt(secret, 'volume');
    const recorder = new Recorder();
    await recordingTo(recorder, async () => {
      assert.equal(unrecorded(secrets).decrypt(sealed, 'volume'), secret);
      const base64 = Buffer.from(secret).toString('base64');
      const said = `x ${secret} ${base64} ${sealed} node.session.auth.password = hunter2 token=abc chap-secret: "a b"`;
      await recorded({ program: 'p', command: () => said }, async () => undefined);
      await assert.rejects(
        recorded({ program: 'p', command: () => 'p\n\u001b[31mq' }, () => Promise.reject(new Error(said))),
      );
    });
    const text = JSON.stringify(recorder.account());
    const all = [
      secret,
      Buffer.from(secret).toString('base64'),
      sealed,
      'hunter2',
      'abc',
      'a b',
      '\\u001b',
      '\\n',
    ];
    for (const hidden of all) assert.ok(!text.includes(hidden), `${hidden} in ${text}`);
    assert.ok(!recorder.clean(`failed: ${secret}`, 100).includes(secret));
  });

  it('crosses Redis with the error it belongs to, and what is none is left out', () => {
    const recorder = new Recorder();
    recorder.add(done('lvcreate', 5));
    const text = withAccount('failed: lvcreate\u001E{}', recorder.account());
    assert.deepEqual(splitAccount(text), { failure: 'failed: lvcreate {}', account: recorder.account() });
    assert.deepEqual(splitAccount('failed: job stalled'), { failure: 'failed: job stalled', account: null });
    assert.deepEqual(splitAccount('failed: x\u001E{"commands":1}'), { failure: 'failed: x', account: null });
    assert.deepEqual(splitAccount('failed: x\u001E{'), { failure: 'failed: x', account: null });
  });
});

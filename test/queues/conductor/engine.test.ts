import assert from 'node:assert/strict';
import type { EngineDeps } from '#queues/conductor/deps.ts';
import { runOperation } from '#queues/conductor/engine.ts';
import { Placement } from '#queues/placement/place.ts';
import { DEFAULT_WEIGHTS } from '#queues/placement/weighers.ts';
import { systemClock } from '#queues/system.ts';
import { TaskError } from '#schema/tasks.ts';
import { createYard, type Yard } from '#test/support/yard.ts';

describe('engine', () => {
  let yard: Yard;
  beforeEach(async () => {
    yard = await createYard();
  });
  afterEach(async () => {
    await yard[Symbol.asyncDispose]();
  });

  const deps = (run: EngineDeps['dispatcher']['run']): EngineDeps => ({
    db: yard.db,
    clock: systemClock,
    placement: new Placement(DEFAULT_WEIGHTS, systemClock),
    owner: 'test/1',
    ended: () => undefined,
    pause: async () => undefined,
    dispatcher: { run },
  });

  it('ends also when the reason is longer than its column', async () => {
    const volume = await yard.addVolume('attaching', true);
    const attachment = await yard.addAttachment(volume, 'attaching', 1);
    const id = await yard.begin('volume.attach', volume, { device: null }, attachment);
    const failing = deps(async () => {
      throw new TaskError('invalid', '\u{1F600}'.repeat(50_000));
    });
    await runOperation(failing, id, new AbortController().signal);
    const { state, error } = await yard.db.selectFrom('operations').selectAll().executeTakeFirstOrThrow();
    assert.equal(state, 'stuck');
    assert.match(error ?? '', /^\u{1F600}+ …; and undoing step "export" failed: \u{1F600}+ …$/u);
  });
});

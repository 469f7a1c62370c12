import assert from 'node:assert/strict';
import { Liveness } from '#queues/conductor/liveness.ts';

describe('liveness of agents', () => {
  let now = 1_000_000;
  let liveness: Liveness;
  /** So many seconds go by, in which Redis answers every two, or doesn't. */
  const pass = (seconds: number, redis: 'there' | 'away' = 'there'): void => {
    for (let second = 0; second < seconds; second += 2) {
      now += 2_000;
      if (redis === 'there') liveness.listening();
    }
  };
  beforeEach(() => {
    liveness = new Liveness(() => now);
    liveness.listening();
  });

  it('an agent is down once it has kept silent for a minute in which it would have been heard', () => {
    liveness.heard('compute.a');
    pass(60);
    assert.equal(liveness.of('compute.a'), 'up');
    pass(2);
    assert.equal(liveness.of('compute.a'), 'down');
    assert.equal(liveness.words('compute.a'), 'compute host a is down: its agent last reported 62 s ago');
    liveness.heard('compute.a');
    assert.equal(liveness.of('compute.a'), 'up');
  });

  it('one that was never heard is unknown at first', () => {
    pass(30);
    assert.equal(liveness.of('storage.a.example'), 'unknown');
    pass(32);
    assert.equal(liveness.of('storage.a.example'), 'down');
    assert.match(
      liveness.words('storage.a.example'),
      /^storage host a\.example is down.* at least 62 s ago$/,
    );
  });

  it('nobody is called down for silence while Redis is away, nor for a minute after', () => {
    liveness.heard('compute.a');
    assert.equal(liveness.deafUntil, 0);
    pass(120, 'away');
    assert.equal(liveness.of('compute.a'), 'unknown');
    assert.equal(liveness.deafUntil, now);
    assert.equal(liveness.isSettled, false);
    pass(2);
    const back = now;
    assert.equal(liveness.isSettled, false, 'agents have yet to report again');
    pass(12);
    assert.equal(liveness.isSettled, true);
    assert.equal(liveness.of('compute.a'), 'unknown');
    assert.equal(liveness.deafUntil, back);
    pass(50);
    assert.equal(liveness.of('compute.a'), 'down');
  });

  it('a short break changes nothing', () => {
    pass(20, 'away');
    pass(2);
    assert.equal(liveness.isSettled, true);
  });
});

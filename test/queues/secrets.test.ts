import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createSecrets } from '#queues/secrets.ts';

describe('secrets', () => {
  const secrets = createSecrets(randomBytes(32).toString('hex'));

  it('gives back what it sealed, never the same text twice', () => {
    const one = secrets.encrypt('péril', 'volume-1');
    assert.equal(secrets.decrypt(one, 'volume-1'), 'péril');
    assert.notEqual(secrets.encrypt('péril', 'volume-1'), one);
    assert.ok(!one.includes('péril'));
  });

  it('refuses another context, another key and changed text', () => {
    const sealed = secrets.encrypt('secret', 'volume-1');
    assert.throws(() => secrets.decrypt(sealed, 'volume-2'));
    assert.throws(() => createSecrets(randomBytes(32).toString('hex')).decrypt(sealed, 'volume-1'));
    // Not the last character: some of its bits mean nothing.
    const flipped = sealed.slice(0, -2) + (sealed.at(-2) === 'A' ? 'B' : 'A') + sealed.slice(-1);
    assert.throws(() => secrets.decrypt(flipped, 'volume-1'));
    assert.throws(() => secrets.decrypt('plain', 'volume-1'));
  });

  it('takes no key but 32 bytes in hexadecimal', () => {
    assert.throws(() => createSecrets('short'), /BLOCKYARD_SECRET_KEY/);
  });

  it('makes CHAP secrets of 16 characters', () => {
    assert.match(secrets.chapSecret(), /^[\w-]{16}$/);
  });
});

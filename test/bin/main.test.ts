import assert from 'node:assert/strict';
import { blockyard } from './blockyard.ts';

describe('blockyard', function () {
  this.timeout(30_000);

  it('lists its commands when it is given none', async () => {
    const { code, stdout, stderr } = await blockyard([]);
    assert.equal(code, 0);
    for (const name of ['domain-xml', 'doctor', 'operations'])
      assert.match(stdout, new RegExp(`^  ${name} +\\w`, 'm'));
    assert.equal(stderr, '');
  });

  for (const name of ['nope', 'constructor', '__proto__', 'x\u001B[31m\ny']) {
    it(`knows no command ${JSON.stringify(name)}: one clear line`, async () => {
      const { code, stdout, stderr } = await blockyard([name]);
      assert.deepEqual([code, stdout], [2, '']);
      assert.match(stderr, /^blockyard: there is no command "[^\p{C}]*" \(blockyard --help lists them\)\n$/u);
    });
  }
});

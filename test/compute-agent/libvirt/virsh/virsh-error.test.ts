import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { virshError } from '#compute-agent/libvirt/virsh/virsh-error.ts';

const FOLDER = 'test/fixtures/virsh/errors';

describe('what virsh says when a command fails', () => {
  // Recorded from libvirt 9.0; the file's name says what it means.
  for (const file of readdirSync(FOLDER)) {
    it(`is understood: ${file}`, () => {
      const text = readFileSync(`${FOLDER}/${file}`, 'utf8');
      const error = virshError(text);
      assert.equal(error?.failure, file.split('.')[0]);
      assert.equal(`error: ${error?.message}`, text.trimEnd().split('\n').at(-1));
    });
  }

  it('is understood when the guest is at it already (QEMU hw/pci/pcie.c)', () => {
    const text =
      "error: internal error: unable to execute QEMU command 'device_del': Device ua-1 is already in the process of unplug\n";
    assert.equal(virshError(text)?.failure, 'unplugging');
  });

  it('is an error of no kind otherwise, and none where nothing failed', () => {
    assert.equal(virshError('error: internal error: the sky fell\n')?.failure, 'failed');
    assert.equal(virshError(''), null);
    assert.equal(virshError('error: Passing secret value as command-line argument is insecure!\n'), null);
  });
});

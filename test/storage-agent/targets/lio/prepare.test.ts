import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { ProgramError } from '#agent/program-error.ts';
import type { Runner } from '#agent/run.ts';
import { prepareKernel } from '#storage-agent/targets/lio/prepare.ts';

describe('preparing the kernel for LIO', () => {
  it('says what is missing, and why it could not be had', async function () {
    if (existsSync('/sys/module/target_core_mod')) this.skip();
    // Not really: on a machine that has them they would then be loaded.
    const modprobe: Runner = {
      run: async (program, args) => {
        throw new ProgramError({
          program,
          args,
          exitCode: 1,
          signal: undefined,
          timedOut: false,
          code: undefined,
          stdout: '',
          stderr: 'modprobe: FATAL: Module target_core_mod not found in directory /lib/modules/6.1.0\n',
        });
      },
    };
    await assert.rejects(prepareKernel(modprobe), {
      message:
        /^BLOCKYARD_TARGET=lio needs the kernel modules target_core_mod.*: modprobe exited with 1: .*not found/,
    });
  });
});

/** `node lab/build-image.ts`: makes the machines' image unless it is there, or this machine can have no lab. */
import { join, resolve } from 'node:path';
import { buildImage } from './image/build.ts';
import { whyNoLab } from './requirements.ts';

if ((await whyNoLab()) === undefined)
  await buildImage(join(resolve(import.meta.dirname, '..'), '.data/cache/lab'), (line) =>
    console.log(`set-up: ${line}`),
  );

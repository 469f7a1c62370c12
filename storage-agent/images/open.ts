import type { Runner } from '#agent/run.ts';
import { systemClock } from '#queues/system.ts';
import type { ImageServiceConfig } from './config.ts';
import { createImages, type Images } from './images.ts';
import { createQemuImg } from './qemu-img.ts';
import { createImageService } from './service.ts';

interface OpenImages {
  /** Null: this host takes no part in images. */
  readonly imageService: ImageServiceConfig | null;
  readonly imageDir: string;
  readonly secretKey: string;
}

/** What moves image data, as configured. */
export function openImages(config: OpenImages, runner: Runner): Images | undefined {
  if (config.imageService === null) return undefined;
  const service = createImageService({
    ...config.imageService,
    secretKey: config.secretKey,
    clock: systemClock,
  });
  return createImages({ service, qemuImg: createQemuImg(runner), folder: config.imageDir });
}

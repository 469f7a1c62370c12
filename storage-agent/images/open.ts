import type { Runner } from '#agent/run.ts';
import { agentQueue } from '#queues/names.ts';
import { systemClock } from '#queues/system.ts';
import type { HostName } from '#schema/ids.ts';
import type { ImageServiceConfig } from './config.ts';
import { createImages, type Images } from './images.ts';
import { createQemuImg } from './qemu-img.ts';
import { createImageService } from './service.ts';

interface OpenImages {
  /** Null: this host takes no part in images. */
  readonly imageService: ImageServiceConfig | null;
  readonly imageDir: string;
  readonly host: HostName;
  readonly keys: string;
}

/** What moves image data, as configured. */
export function openImages(config: OpenImages, runner: Runner): Images | undefined {
  if (config.imageService === null) return undefined;
  const service = createImageService({
    ...config.imageService,
    agent: agentQueue('storage', config.host),
    keys: config.keys,
    clock: systemClock,
  });
  return createImages({ service, qemuImg: createQemuImg(runner), folder: config.imageDir });
}

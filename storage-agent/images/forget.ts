import type { Backend } from '../backends/backend.ts';
import type { Images } from './images.ts';

/** How long a copy may outlive its image. */
const LOOK_EVERY_MS = 30_000;

export interface Forgetting {
  stop(): void;
}

/**
 * Looks every now and then whether the images that backends keep copies of still exist, and lets the others go: nobody can
 * make a volume from them any more. While the image service doesn't answer, all are kept.
 */
export function forgetGoneImages(
  backends: readonly Backend[],
  images: Pick<Images, 'holds'>,
  log: (line: string) => void,
): Forgetting {
  const stopping = new AbortController();
  let said: string | undefined;
  const isGone = async (imageId: string): Promise<boolean> => !(await images.holds(imageId, stopping.signal));
  const look = async (): Promise<void> => {
    try {
      for (const backend of backends) await backend.forgetImages?.(isGone);
      said = undefined;
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      if (text !== said && !stopping.signal.aborted) log(`copies of images are kept: ${text}`);
      said = text;
    }
  };
  let looking: Promise<void> | undefined;
  const timer = setInterval(() => {
    looking ??= look().finally(() => {
      looking = undefined;
    });
  }, LOOK_EVERY_MS);
  return {
    stop() {
      clearInterval(timer);
      stopping.abort();
    },
  };
}

import type { DomainEvent, DomainEvents } from '../libvirt/events.ts';

/** Lets one task sleep until an event that it cares for. */
export interface EventGate extends Disposable {
  /**
   * Resolves at the next such event, at once if one came since the last wait, or after `ms`.
   * @throws the signal's reason when it is aborted.
   */
  wait(ms: number, signal: AbortSignal): Promise<void>;
}

/** Counts from now on; dispose it to stop listening. */
export function eventGate(events: DomainEvents, matters: (event: DomainEvent) => boolean): EventGate {
  let pending = false;
  let wake: (() => void) | undefined;
  const unsubscribe = events.subscribe((event) => {
    if (!matters(event)) return;
    pending = true;
    wake?.();
  });
  return {
    async wait(ms, signal) {
      signal.throwIfAborted();
      let stop: (() => void) | undefined;
      let timer: NodeJS.Timeout | undefined;
      try {
        await new Promise<void>((resolve, reject) => {
          if (pending) return resolve();
          wake = resolve;
          timer = setTimeout(resolve, ms);
          stop = () => reject(signal.reason as Error);
          signal.addEventListener('abort', stop, { once: true });
        });
        pending = false;
      } finally {
        wake = undefined;
        clearTimeout(timer);
        if (stop !== undefined) signal.removeEventListener('abort', stop);
      }
    },
    [Symbol.dispose]: unsubscribe,
  };
}

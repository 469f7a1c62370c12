import { join, resolve } from 'node:path';
import { type Stack, startStack } from '#stack/environment.ts';
import { answers } from '#stack/readiness.ts';
import { agentUnit, BACKEND_NAME, INITIATOR, tracing } from './agents.ts';
import { cachesOf, keepCaches } from './caches.ts';
import { type DemoInstance, startDemoInstance } from './demo-instance.ts';
import { buildImage } from './image/build.ts';
import { type Machine, makeDisk, startMachine } from './machine.ts';
import { COMPUTE, STORAGE } from './nodes.ts';
import { agentsUp } from './readiness.ts';
import { VOLUME_GROUP } from './volume-group.ts';

export interface LabOptions {
  /** Everything of this lab is in here; made when missing, emptied first. */
  readonly runDir: string;
  /** What the host's processes print, and what takes long. */
  readonly log: (name: string, line: string) => void;
  /** Port of the API that is taken if free. Default: any free one. */
  readonly port?: number;
  /** A collector on this machine (OTLP over HTTP) that api, conductor and storage agent tell of sampled traces. Default: none. */
  readonly collector?: string;
}

/** Api, conductor and servers on this machine, the agents on a storage and a compute node of their own. */
export interface Lab extends AsyncDisposable {
  readonly stack: Stack;
  readonly storage: Machine;
  readonly compute: Machine;
  /** A running guest of the compute node. */
  readonly instance: DemoInstance;
  /** What the compute node's sessions and ACLs are for. */
  readonly initiator: string;
  /** `volume_backend_name` of the thin back end. */
  readonly backendName: string;
  readonly volumeGroup: string;
  readonly thinPool: string;
  readonly physicalVolume: string;
  stop(): Promise<void>;
}

const TREE = resolve(import.meta.dirname, '..');
const CACHE = join(TREE, '.data/cache');

/**
 * Starts a lab, in half a minute under emulation and once more the time it takes to build the image.
 * @throws Error when a part does not come up; what had started is ended before.
 */
export async function startLab({ runDir, log, port, collector }: LabOptions): Promise<Lab> {
  const image = await buildImage(join(CACHE, 'lab'), (line) => log('lab', line));
  const stack = await startStack({
    runDir,
    log,
    fresh: true,
    only: ['api', 'conductor'],
    target: 'none',
    hypervisor: 'noop',
    ready: answers,
    ...(port === undefined ? {} : { port }),
    ...(collector === undefined ? {} : { env: tracing(collector) }),
  });
  const undo: (() => Promise<unknown>)[] = [() => stack.stop()];
  const stop = async (): Promise<void> => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  try {
    const since = new Date();
    const tell = (what: string): void =>
      log('lab', `${what} after ${((Date.now() - since.getTime()) / 1_000).toFixed(0)} s`);
    const [a, b] = [join(stack.runDir, 'a'), join(stack.runDir, 'b')];
    const disk = await makeDisk(join(stack.runDir, 'disk'), VOLUME_GROUP.disk, VOLUME_GROUP.sizeGib);
    const booting = [
      startMachine({
        node: STORAGE,
        dir: join(stack.runDir, 'storage'),
        image,
        tree: TREE,
        disks: [disk],
        cable: { local: a, remote: b },
        archives: [cachesOf(image, STORAGE)],
        ...(await agentUnit(STORAGE, stack.env, TREE)),
      }),
      startMachine({
        node: COMPUTE,
        dir: join(stack.runDir, 'compute'),
        image,
        tree: TREE,
        cable: { local: b, remote: a },
        archives: [cachesOf(image, COMPUTE)],
        ...(await agentUnit(COMPUTE, stack.env, TREE)),
      }),
    ] as const;
    for (const machine of booting) {
      void machine.then(
        ({ name }) => tell(`the ${name} node answers`),
        () => undefined,
      );
      undo.push(() =>
        machine.then(
          (started) => started.stop(),
          () => undefined,
        ),
      );
    }
    const [storage, compute] = await Promise.all(booting);
    const instance = await startDemoInstance({ machine: compute, stack, cacheDir: join(CACHE, 'guest') });
    undo.push(() => instance[Symbol.asyncDispose]());
    tell(`${instance.name} has booted`);
    await agentsUp(stack, since);
    tell('both agents work');
    // A lab that ends meanwhile leaves the older one.
    for (const [node, machine] of [
      [STORAGE, storage],
      [COMPUTE, compute],
    ] as const)
      void keepCaches(image, node, machine).catch(() => undefined);
    return {
      stack,
      storage,
      compute,
      instance,
      initiator: INITIATOR,
      backendName: BACKEND_NAME.thin,
      volumeGroup: VOLUME_GROUP.name,
      thinPool: VOLUME_GROUP.thinPool,
      physicalVolume: VOLUME_GROUP.device,
      stop,
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

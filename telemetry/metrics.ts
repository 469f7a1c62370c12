import {
  Counter,
  type CounterConfiguration,
  collectDefaultMetrics,
  Gauge,
  type GaugeConfiguration,
  Histogram,
  type HistogramConfiguration,
  Registry,
} from 'prom-client';

/** What this process counts; each part of it keeps its own metrics beside the code that they are about. */
const registry = new Registry();

/** Seconds, for what takes milliseconds to minutes. */
export const DURATION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800];
/** Seconds, for what should take less than a millisecond. */
export const QUICK_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];

export function counter<L extends string = never>(options: CounterConfiguration<L>): Counter<L> {
  return new Counter<L>({ ...options, registers: [registry] });
}
export function gauge<L extends string = never>(options: GaugeConfiguration<L>): Gauge<L> {
  return new Gauge<L>({ ...options, registers: [registry] });
}
export function histogram<L extends string = never>(options: HistogramConfiguration<L>): Histogram<L> {
  return new Histogram<L>({ ...options, registers: [registry] });
}

const COLLECT_MS = 3_000;
/** However often somebody asks. */
const COLLECT_AT_MOST_EVERY_MS = 2_000;

const failures = counter({
  name: 'blockyard_scrape_failures_total',
  help: 'Times that what is only looked up when metrics are asked for could not be had',
  labelNames: ['collector'],
});

const collectors = new Map<string, () => Promise<void>>();

/** Has `collect` set gauges whenever the metrics are asked for. One that fails or takes too long leaves them as they are. */
export function onScrape(name: string, collect: () => Promise<void>): void {
  collectors.set(name, collect);
}

let collected = Number.NEGATIVE_INFINITY;
let collecting: Promise<unknown> | undefined;

/** All metrics in Prometheus' text format. */
export async function scrape(): Promise<string> {
  if (performance.now() - collected > COLLECT_AT_MOST_EVERY_MS) {
    collecting ??= Promise.all([...collectors].map(([name, collect]) => collectOne(name, collect))).finally(
      () => {
        collected = performance.now();
        collecting = undefined;
      },
    );
  }
  await collecting;
  return await registry.metrics();
}
export const METRICS_TYPE: string = registry.contentType;

async function collectOne(name: string, collect: () => Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('too late')), COLLECT_MS);
  });
  try {
    await Promise.race([collect(), late]);
  } catch {
    failures.inc({ collector: name });
  } finally {
    clearTimeout(timer);
  }
}

const buildInfo = gauge({
  name: 'blockyard_build_info',
  help: 'Always 1; the labels say which process this is',
  labelNames: ['process', 'version'],
});
let described = false;

/** Adds which process this is, its processor time, memory, descriptors, garbage collection, and how late the event loop is. */
export function describeProcess(process: string, version: string): void {
  buildInfo.set({ process, version }, 1);
  // Its timer: the default of 10 ms would wake an idle process a hundred times a second.
  if (!described) collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 25 });
  described = true;
}

import { AsyncLocalStorage } from 'node:async_hooks';
import { createHash } from 'node:crypto';

export type Attributes = Readonly<Record<string, string | number | boolean>>;

/** What a span is before it has begun. */
export interface SpanSpec {
  readonly name: string;
  /** Default: `internal`. */
  readonly kind?: 'server' | 'client' | 'internal';
  /** W3C `traceparent` of what it belongs to. Default: the span that the caller runs in. */
  readonly parent?: string | null;
  /** Begins a trace where there is no parent; other spans without one are left out. */
  readonly root?: true;
  /** Known before, so that others could name it as their parent: `spanIdOf`. Default: a random one. */
  readonly id?: string;
  readonly attributes?: Attributes;
  /** The work itself says how it failed (`currentSpan().fail`), without the secrets that an error’s message may hold. */
  readonly saysWhy?: true;
}

export interface Span {
  /** What belongs to it names it so. */
  readonly traceparent: string;
  set(attributes: Attributes): void;
  /** When more is known of it than at its beginning. */
  rename(name: string): void;
  fail(message: string): void;
  end(): void;
}

/** Behind it is OpenTelemetry, where a collector is configured. */
export interface Tracer {
  /** @param times milliseconds since the epoch, of what has happened already. */
  start(
    spec: SpanSpec,
    parent: string | null,
    times?: { readonly began: number; readonly ended: number },
  ): Span;
  stop(): Promise<void>;
}

let tracer: Tracer | undefined;
const current = new AsyncLocalStorage<Span>();

/** From here on spans are made. */
export function useTracer(chosen: Tracer | undefined): void {
  tracer = chosen;
}

/** The span that the caller runs in, as `traceparent`; null when there is none. */
export function currentTrace(): string | null {
  return current.getStore()?.traceparent ?? null;
}

export function currentSpan(): Span | undefined {
  return current.getStore();
}

/**
 * Does the work in a span, which fails when the work does; without a collector that is a call and no more.
 * @param describe is called only if there is one.
 */
export function inSpan<T>(describe: () => SpanSpec, work: () => Promise<T>): Promise<T> {
  return tracer === undefined ? work() : traced(tracer, describe(), work);
}

async function traced<T>(tracer: Tracer, spec: SpanSpec, work: () => Promise<T>): Promise<T> {
  const parent = parentOf(spec);
  if (parent === null && spec.root === undefined) return work();
  const span = tracer.start(spec, parent);
  try {
    return await current.run(span, work);
  } catch (error) {
    if (spec.saysWhy === undefined) span.fail(error instanceof Error ? error.message : String(error));
    throw error;
  } finally {
    span.end();
  }
}

/** A span of something that has happened already; times in milliseconds since the epoch. */
export function pastSpan(
  describe: () => SpanSpec & { readonly error?: string | null },
  began: number,
  ended: number,
): void {
  if (tracer === undefined) return;
  const { error, ...spec } = describe();
  const parent = parentOf(spec);
  if (parent === null) return;
  const span = tracer.start(spec, parent, { began, ended });
  if (error != null) span.fail(error);
  span.end();
}

/** Does the work as part of a span that somebody else tells of. */
export function underSpan<T>(traceparent: string | null, work: () => Promise<T>): Promise<T> {
  return tracer === undefined || traceparent === null
    ? work()
    : current.run({ traceparent, ...NOT_OURS }, work);
}

const nothing = (): void => undefined;
const NOT_OURS = { set: nothing, rename: nothing, fail: nothing, end: nothing };

function parentOf(spec: SpanSpec): string | null {
  return spec.parent === undefined ? currentTrace() : spec.parent;
}

const TRACEPARENT = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/;

export interface TraceContext {
  readonly traceId: string;
  readonly spanId: string;
  readonly flags: string;
}

/** https://www.w3.org/TR/trace-context/#traceparent-header; null for what is none. */
export function parseTraceparent(text: string | null | undefined): TraceContext | null {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(text ?? '') ?? [];
  return traceId === undefined || spanId === undefined || flags === undefined
    ? null
    : { traceId, spanId, flags };
}

/** A span id that whoever knows the name can tell without having been told. */
export function spanIdOf(name: string): string {
  return createHash('sha256').update(name).digest('hex').slice(0, 16);
}

/** The span with this id, in the trace of `parent`; null when there is no trace. */
export function within(parent: string | null, id: string): string | null {
  const context = parseTraceparent(parent);
  return context === null ? null : `00-${context.traceId}-${id}-${context.flags}`;
}

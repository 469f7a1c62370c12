/** OpenTelemetry's SDK; nobody but `startTracing` imports it, and only where a collector is configured. */
import { ROOT_CONTEXT, type SpanContext, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  RandomIdGenerator,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import { redact } from './redact.ts';
import { parseTraceparent, type Tracer } from './tracing.ts';

/** A process that is killed takes with it what it has not sent yet. */
const SEND_EVERY_MS = 1_000;
const LONGEST = 1_000;
const KINDS = { server: SpanKind.SERVER, client: SpanKind.CLIENT, internal: SpanKind.INTERNAL } as const;

/** @param ratio of the traces that begin here, which are kept. */
export function openTelemetry(service: string, version: string, ratio: number): Tracer {
  const random = new RandomIdGenerator();
  let nextId: string | undefined;
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': service, 'service.version': version }).merge(
      // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES have the last word.
      detectResources({ detectors: [envDetector] }),
    ),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) }),
    spanLimits: { attributeValueLengthLimit: LONGEST },
    idGenerator: {
      generateTraceId: () => random.generateTraceId(),
      generateSpanId: () => nextId ?? random.generateSpanId(),
    },
    spanProcessors: [
      // Where to, with what headers and how long: the standard's own OTEL_EXPORTER_OTLP_… variables.
      new BatchSpanProcessor({ exporter: new OTLPTraceExporter(), scheduledDelayMillis: SEND_EVERY_MS }),
    ],
  });
  const tracer = provider.getTracer('blockyard', version);
  return {
    start({ name, kind = 'internal', id, attributes = {} }, parent, times) {
      nextId = id;
      const span = tracer.startSpan(
        name,
        {
          kind: KINDS[kind],
          attributes: { ...attributes },
          ...(times !== undefined && { startTime: times.began }),
        },
        contextOf(parent),
      );
      nextId = undefined;
      return {
        traceparent: traceparentOf(span.spanContext()),
        set: (more) => void span.setAttributes({ ...more }),
        rename: (name) => void span.updateName(name),
        fail: (message) =>
          void span.setStatus({ code: SpanStatusCode.ERROR, message: redact(message, [], LONGEST) }),
        end: () => span.end(times?.ended),
      };
    },
    stop: () => provider.shutdown(),
  };
}

function contextOf(parent: string | null) {
  const context = parseTraceparent(parent);
  if (context === null) return ROOT_CONTEXT;
  const { traceId, spanId, flags } = context;
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16),
    isRemote: true,
  });
}

function traceparentOf({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-${(traceFlags & 0xff).toString(16).padStart(2, '0')}`;
}

import { z } from 'zod';
import { readSettings } from '#schema/settings.ts';
import type { ProcessName } from './address.ts';
import { useTracer } from './tracing.ts';

/**
 * Sends spans to the collector that OpenTelemetry's standard variables name (`OTEL_EXPORTER_OTLP_ENDPOINT`, or
 * `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`; OTLP over HTTP). Without one nothing is loaded and nothing is measured.
 * `OTEL_TRACES_SAMPLER_ARG` is the share of traces that are kept (default 1); a caller's own decision comes first.
 * @returns what sends the rest and ends it.
 * @throws Error that names the variable.
 */
export async function startTracing(
  process: ProcessName,
  version: string,
  variables: Readonly<Record<string, string | undefined>>,
): Promise<() => Promise<void>> {
  const env = readSettings(
    {
      OTEL_EXPORTER_OTLP_ENDPOINT: z.string().optional(),
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: z.string().optional(),
      OTEL_SDK_DISABLED: z.string().optional(),
      OTEL_TRACES_SAMPLER_ARG: z.coerce
        .number({ error: 'must be a number' })
        .min(0, { error: 'must not be below 0' })
        .max(1, { error: 'must not be above 1' })
        .default(1),
    },
    variables,
  );
  const endpoint = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || env.OTEL_EXPORTER_OTLP_ENDPOINT;
  if (!endpoint || env.OTEL_SDK_DISABLED?.toLowerCase() === 'true') return async () => undefined;
  const { openTelemetry } = await import('./opentelemetry.ts');
  const tracer = openTelemetry(`blockyard-${process}`, version, env.OTEL_TRACES_SAMPLER_ARG);
  useTracer(tracer);
  return async () => {
    useTracer(undefined);
    // A collector that is away is not waited for.
    await tracer.stop().catch(() => undefined);
  };
}

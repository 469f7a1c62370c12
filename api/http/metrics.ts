import { counter, DURATION_BUCKETS, gauge, histogram } from '#telemetry/metrics.ts';

const requests = counter({
  name: 'blockyard_http_requests_total',
  help: 'Requests by route (its template, not the path) and status',
  labelNames: ['method', 'route', 'status'],
});
const durations = histogram({
  name: 'blockyard_http_request_duration_seconds',
  help: 'From a request’s head until its reply is out, or its client gone',
  labelNames: ['method', 'route'],
  buckets: DURATION_BUCKETS,
});
const underWay = gauge({
  name: 'blockyard_http_requests_in_flight',
  help: 'Requests that have not been answered',
});

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** Counts a request. @returns to be called when its reply is out; `route` is undefined for what no route takes. */
export function countRequest(
  method: string | undefined,
): (route: string | undefined, status: number) => void {
  const began = performance.now();
  underWay.inc();
  return (route = 'none', status) => {
    underWay.dec();
    const labels = { method: METHODS.has(method ?? '') ? (method ?? '') : 'other', route };
    durations.observe(labels, (performance.now() - began) / 1_000);
    requests.inc({ ...labels, status: String(status) });
  };
}

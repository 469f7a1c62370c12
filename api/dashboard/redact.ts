/** Names under which something secret could stand, however deep. */
const SECRET_NAME = /chap|secret|password|token|credential/i;
/** What queues/secrets.ts makes: useless without the key, and still nobody's business. */
const SEALED = /^v[12]\.[A-Za-z0-9_.,-]{20,}$/;

/** A copy of a job's data that shows no secret. */
export function redact(value: unknown): unknown {
  if (typeof value === 'string') return SEALED.test(value) ? '[sealed]' : value;
  if (Array.isArray(value)) return value.map(redact);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, SECRET_NAME.test(key) ? '[hidden]' : redact(item)]),
  );
}

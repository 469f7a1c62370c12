/** Codes of Node's sockets and of the MySQL client that mean "the server is away", not "the work is wrong". */
const AWAY =
  /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EHOSTUNREACH|PROTOCOL_|POOL_|ER_(LOCK_|CON_COUNT|SERVER_SHUTDOWN|NORMAL_SHUTDOWN|QUERY_INTERRUPTED|CONNECTION_KILLED))/;

/** True for failures of MySQL, Redis or our own shutdown: the operation is neither done nor undone by them. */
export function isInfrastructure(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error.name === 'AbortError' || ('fatal' in error && error.fatal === true)) return true;
  return 'code' in error && typeof error.code === 'string' && AWAY.test(error.code);
}

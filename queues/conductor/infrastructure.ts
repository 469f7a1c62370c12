/** Codes of Node's sockets and of MySQL that mean "away, full, or read-only for a failover", not "the work is wrong". */
const AWAY =
  /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EHOSTUNREACH|PROTOCOL_|POOL_|ER_(LOCK_|CON_COUNT|TOO_MANY_USER_CONNECTIONS|SERVER_SHUTDOWN|NORMAL_SHUTDOWN|QUERY_INTERRUPTED|CONNECTION_KILLED|OPTION_PREVENTS_STATEMENT|READ_ONLY_MODE|DISK_FULL|RECORD_FILE_FULL))/;

/** True for failures of MySQL, Redis or our own shutdown: the operation is neither done nor undone by them. */
export function isInfrastructure(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error.name === 'AbortError' || ('fatal' in error && error.fatal === true)) return true;
  return 'code' in error && typeof error.code === 'string' && AWAY.test(error.code);
}

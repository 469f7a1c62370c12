/** How much each part of this process logs, which an administrator may change while it runs. */

/** Cinder's names, from most to least. */
export const LOG_LEVELS = ['DEBUG', 'INFO', 'WARNING', 'ERROR'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const DEFAULT: LogLevel = 'INFO';
const levels = new Map<string, LogLevel>();

export interface Logger {
  /** Made into text only when it is wanted. */
  debug(line: () => string): void;
  warning(line: string): void;
}

/** The logger of one part; its name begins with `blockyard`. Lines go to standard error. */
export function logger(name: string): Logger {
  levels.set(name, levels.get(name) ?? DEFAULT);
  const tells = (level: LogLevel): boolean =>
    LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(levels.get(name) ?? DEFAULT);
  return {
    debug(line) {
      if (tells('DEBUG')) console.error(`DEBUG ${name}: ${line()}`);
    },
    warning(line) {
      if (tells('WARNING')) console.error(line);
    },
  };
}

const main = logger('blockyard');

/** What a process has to say that somebody should know. */
export function log(line: string): void {
  main.warning(line);
}

/** Logger → level, of those whose names begin with `prefix`. */
export function logLevels(prefix: string): Record<string, LogLevel> {
  return Object.fromEntries([...levels].filter(([name]) => name.startsWith(prefix)));
}

/** From now on, until the process ends. */
export function setLogLevels(prefix: string, level: LogLevel): void {
  for (const name of levels.keys()) if (name.startsWith(prefix)) levels.set(name, level);
}

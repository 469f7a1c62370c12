/** What only this process has to do with: its accounts and keys are in these, and programs read what strangers have written. */
const OWN = /^(?:BLOCKYARD_|OTEL_|(?:DATABASE|REDIS)_URL$)/;
/** An object store's account, by the names that all programs read. */
const CLOUD = /^AWS_/;

/** A program's environment: this process's without what is its own, `LC_ALL=C`, and `extra`. */
export function programEnvironment(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  return { ...having((name) => !OWN.test(name) && !CLOUD.test(name)), LC_ALL: 'C', ...extra };
}

/** What a program that talks to an object store needs besides. */
export function cloudAccount(): Record<string, string> {
  return having((name) => CLOUD.test(name));
}

function having(wanted: (name: string) => boolean): Record<string, string> {
  const all = Object.entries(process.env) as [string, string][];
  return Object.fromEntries(all.filter(([name]) => wanted(name)));
}

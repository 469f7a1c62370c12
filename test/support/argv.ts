import type { Machine } from '#lab/machine.ts';

/**
 * Every argv on a lab machine, twice a second.
 * @returns ends it, and resolves with what was seen, one word a line.
 */
export async function watchArgv(machine: Machine): Promise<() => Promise<string>> {
  const loop = `while :; do cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' >>/run/argv; sleep 0.5; done`;
  await machine.sh(`rm -f /run/argv; systemd-run --quiet --unit argv sh -c "${loop}"`);
  return async () => {
    await machine.sh('systemctl stop argv');
    return await machine.sh('sort -u /run/argv; rm /run/argv');
  };
}

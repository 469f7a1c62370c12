import { z } from 'zod';
import { readSettings } from '#schema/settings.ts';

/** Where a process answers questions about itself. */
export interface MetricsAddress {
  readonly host: string;
  readonly port: number;
  /** The port was not asked for: any other will do when it is taken. */
  readonly usual: boolean;
}

/** One for each process, so that all of them fit on one machine. */
const PORTS = { api: 9876, conductor: 9877, storage: 9878, compute: 9879 } as const;
export type ProcessName = keyof typeof PORTS;

const FORM = /^(?<host>\[[0-9a-f:]+\]|[^:\s[\]]+)(?::(?<port>\d{1,5}))?$/i;

/**
 * `BLOCKYARD_METRICS_LISTEN`: `address:port`, an address alone (with this kind of process' usual port), or `off`. Default:
 * the usual port on 127.0.0.1.
 * @throws Error that names the variable.
 */
export function metricsAddress(
  process: ProcessName,
  variables: Readonly<Record<string, string | undefined>>,
): MetricsAddress | null {
  const { BLOCKYARD_METRICS_LISTEN: text } = readSettings(
    {
      BLOCKYARD_METRICS_LISTEN: z
        .string()
        .refine((text) => text === 'off' || isAddress(text), {
          error: 'must be address:port, address, or off',
        })
        .default('127.0.0.1'),
    },
    variables,
  );
  if (text === 'off') return null;
  const { host = '', port } = FORM.exec(text)?.groups ?? {};
  return {
    host: host.replaceAll(/[[\]]/g, ''),
    port: port === undefined ? PORTS[process] : Number(port),
    usual: port === undefined,
  };
}

function isAddress(text: string): boolean {
  const port = FORM.exec(text)?.groups?.['port'] ?? '0';
  return FORM.test(text) && Number(port) <= 65_535;
}

import type { Bench } from '../bench.ts';
import { load } from '../load.ts';
import type { Row } from '../table.ts';
import { measure, nothing, summary } from './summary.ts';
import { createVolume, untilGone, untilStatus } from './volumes.ts';

const LOADS = [
  { clients: 1, count: 100 },
  { clients: 16, count: 480 },
] as const;

/** Through the compute API to `in-use`; and Cinder's own attachments, whose POST answers when the export stands. */
export async function attachSuite(bench: Bench): Promise<Row[]> {
  const { client, base } = bench;
  const listed = JSON.parse(await client.expect(200, 'GET', '/compute/v2.1/servers')) as {
    servers: { id: string }[];
  };
  const servers = listed.servers.map(({ id }) => id);
  const results = LOADS.map(() => ({ attach: nothing(), detach: nothing(), connector: nothing() }));
  for (let round = 0; round < bench.rounds + 1; round++) {
    for (const [index, { clients, count }] of LOADS.entries()) {
      const into =
        round === 0 ? { attach: nothing(), detach: nothing(), connector: nothing() } : results[index];
      if (into === undefined) continue;
      const ids: string[] = [];
      await load(clients, count, async () => {
        const id = await createVolume(bench);
        await untilStatus(bench, id, 'available', clients);
        ids.push(id);
      });
      const server = (which: number): string => servers[which % servers.length] ?? '';
      const path = (which: number): string => `/compute/v2.1/servers/${server(which)}/os-volume_attachments`;
      await measure(bench, into.attach, count, () =>
        load(clients, count, async (which) => {
          await client.expect(200, 'POST', path(which), { volumeAttachment: { volumeId: ids[which] } });
          await untilStatus(bench, ids[which] ?? '', 'in-use', clients);
        }),
      );
      await measure(bench, into.detach, count, () =>
        load(clients, count, async (which) => {
          await client.expect(202, 'DELETE', `${path(which)}/${ids[which]}`);
          await untilStatus(bench, ids[which] ?? '', 'available', clients);
        }),
      );
      const attachments: string[] = [];
      await measure(bench, into.connector, count, () =>
        load(clients, count, async (which) => {
          const body = await client.expect(200, 'POST', `${base}/attachments`, {
            attachment: {
              volume_uuid: ids[which],
              instance_uuid: server(which),
              connector: {
                initiator: `iqn.2010-10.org.example:${which}`,
                ip: '127.0.0.1',
                host: 'bench',
                os_type: 'linux',
                platform: 'x86_64',
                multipath: false,
              },
            },
          });
          attachments.push((JSON.parse(body) as { attachment: { id: string } }).attachment.id);
        }),
      );
      await load(clients, count, async (which) => {
        await client.expect(200, 'DELETE', `${base}/attachments/${attachments[which]}`);
      });
      await load(clients, count, async (which) => {
        const id = ids[which] ?? '';
        await untilStatus(bench, id, 'available', clients);
        await client.expect(202, 'DELETE', `${base}/volumes/${id}`);
        await untilGone(bench, id, clients);
      });
    }
  }
  return LOADS.flatMap(({ clients }, index) => {
    const result = results[index];
    return result === undefined
      ? []
      : [
          summary('attach → in-use', clients, result.attach),
          summary('detach → available', clients, result.detach),
          summary('attachment with connector', clients, result.connector),
        ];
  });
}

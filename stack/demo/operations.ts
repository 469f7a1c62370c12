import type { Client } from './client.ts';
import { duration, type Step } from './report.ts';

interface Operation {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
}

interface OperationStep {
  readonly name: string;
  readonly host: string;
  readonly started_at: string;
  readonly ended_at: string | null;
}

/** Waits until the newest operation of this kind on the volume is done, and tells the steps it was made of. */
export async function tellOperation(
  client: Client,
  step: Step,
  volumeId: string,
  kind: string,
): Promise<void> {
  const newest = (operations: readonly Operation[]) => operations.find((each) => each.kind === kind);
  const { body } = await client.until(
    `a ${kind} that is done`,
    `/v3/operations?volume_id=${volumeId}`,
    (answer) => newest(answer.body?.operations ?? [])?.state === 'done',
    {
      hopeless: (answer) => ['undone', 'stuck'].includes(newest(answer.body?.operations ?? [])?.state ?? ''),
    },
  );
  const { id } = newest(body.operations)!;
  const { operation } = (await client.ask('GET', `/v3/operations/${id}`)).body as {
    operation: { steps: readonly OperationStep[] };
  };
  const steps = operation.steps.map(
    ({ name, host, started_at, ended_at }) =>
      `${name} on ${host} ${duration(Date.parse(ended_at ?? started_at) - Date.parse(started_at))}`,
  );
  step.did(`operation ${id.slice(0, 8)}… ${kind}: ${steps.join(', ')}`);
}

/** The newest operation that concerns the volume. */
export async function newestOperation(client: Client, volumeId: string): Promise<string | undefined> {
  const { body } = await client.ask('GET', `/v3/operations?volume_id=${volumeId}&limit=1`);
  return body?.operations?.[0]?.id;
}

import { type TaskEnvelope, TaskError } from '#schema/tasks.ts';
import { agentKeys, createSecrets, type Secrets } from '../secrets.ts';

/** What a task carries of secrets, in whichever of its forms. */
interface WithAccounts {
  readonly volumeId: string;
  readonly chap?: Account;
  readonly luks?: Account;
  readonly was?: Account;
  readonly acls?: readonly { readonly chap: Account }[];
}
interface Account {
  readonly secret: string;
}

/** @param agent its queue's name. @throws TaskError when MySQL's secret can't be opened. */
export type Reseal = (agent: string, envelope: TaskEnvelope) => TaskEnvelope;

/**
 * MySQL's secrets (CHAP accounts, encrypted volumes' passphrases) are sealed with the master key, which no host has. A task that goes to a host carries them sealed with
 * that agent's own key: who has stolen another agent's key, or reads Redis, can't open them.
 */
export function createReseal(masterKeys: string): Reseal {
  const master = createSecrets(masterKeys);
  const agents = new Map<string, Secrets>();
  function agentOf(name: string): Secrets {
    const known = agents.get(name);
    if (known !== undefined) return known;
    const secrets = createSecrets(agentKeys(masterKeys, name));
    agents.set(name, secrets);
    return secrets;
  }

  return (agent, envelope) => {
    const input = envelope.input as WithAccounts;
    const { chap, luks, was, acls = [] } = input;
    if (chap === undefined && luks === undefined && was === undefined && acls.length === 0) return envelope;
    const secrets = agentOf(agent);
    const reseal = <A extends Account>(account: A): A => {
      let plain: string;
      try {
        plain = master.decrypt(account.secret, input.volumeId);
      } catch {
        throw new TaskError(
          'refused',
          `a secret of volume ${input.volumeId} cannot be opened: is the key that sealed it still in BLOCKYARD_SECRET_KEY?`,
        );
      }
      return { ...account, secret: secrets.encryptForEach(plain, input.volumeId) };
    };
    return {
      ...envelope,
      input: {
        ...input,
        ...(chap === undefined ? {} : { chap: reseal(chap) }),
        ...(luks === undefined ? {} : { luks: reseal(luks) }),
        ...(was === undefined ? {} : { was: reseal(was) }),
        ...(input.acls === undefined
          ? {}
          : { acls: input.acls.map((acl) => ({ ...acl, chap: reseal(acl.chap) })) }),
      },
    };
  };
}

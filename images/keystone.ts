/** An account at Keystone, OpenStack's identity service. */
export interface KeystoneAccount {
  /** Keystone's v3 root, for example `https://keystone.example:5000/v3`. */
  readonly authUrl: string;
  readonly username: string;
  readonly password: string;
  readonly project: string;
  readonly userDomain: string;
  readonly projectDomain: string;
}

/** Tokens of one account. */
export interface Tokens {
  /** A token that is good for a while yet. @throws Error that says nothing of the password. */
  get(): Promise<string>;
  /** Forgets the present one, which was refused. */
  forget(): void;
}

/** What is left of a token's life when a new one is asked for. */
const SPARE_MS = 300_000;
const PATIENCE_MS = 30_000;

/** @param now milliseconds since the epoch */
export function keystoneTokens(account: KeystoneAccount, now: () => number): Tokens {
  let current: Promise<{ readonly token: string; readonly until: number }> | undefined;
  return {
    async get() {
      const held = await current?.catch(() => undefined);
      if (held === undefined || held.until - SPARE_MS < now()) current = authenticate(account);
      const asked = current;
      if (asked === undefined) throw new Error('Keystone was not asked');
      return (await asked).token;
    },
    forget() {
      current = undefined;
    },
  };
}

/** Identity API v3, password authentication with a project's scope. */
async function authenticate(account: KeystoneAccount): Promise<{ token: string; until: number }> {
  const { username, password, project, userDomain, projectDomain } = account;
  const answer = await fetch(`${account.authUrl.replace(/\/$/, '')}/auth/tokens`, {
    method: 'POST',
    redirect: 'error',
    signal: AbortSignal.timeout(PATIENCE_MS),
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      auth: {
        identity: {
          methods: ['password'],
          password: { user: { name: username, password, domain: { name: userDomain } } },
        },
        scope: { project: { name: project, domain: { name: projectDomain } } },
      },
    }),
  });
  const token = answer.headers.get('x-subject-token');
  if (!answer.ok || token === null) {
    await answer.body?.cancel();
    throw new Error(`Keystone answered ${answer.status} to the image account`);
  }
  const body = (await answer.json()) as { token?: { expires_at?: string } };
  const until = Date.parse(body.token?.expires_at ?? '');
  return { token, until: Number.isNaN(until) ? 0 : until };
}

import { z } from 'zod';
import { readSettings } from '#schema/settings.ts';
import { readArgs, runCommand, type Streams, UsageError } from '../command.ts';
import { type Cloud, cloudsYaml } from './yaml.ts';

const USAGE = `Usage:
  blockyard clouds [--url URL] [--name NAME] [--user NAME] [--project NAME] [--domain NAME]
  blockyard clouds [--url URL] [--name NAME] --application-credential ID

Prints clouds.yaml, which the openstack command line, openstacksdk and Terraform read (from the working directory,
~/.config/openstack or /etc/openstack), for the way of logging in that BLOCKYARD_AUTH says:

  none      no identity: whoever comes is an administrator of --project
  tokens    one of the tokens of BLOCKYARD_TOKENS_FILE
  builtin   user name and password, at the api itself
  keystone  user name and password, at BLOCKYARD_KEYSTONE_URL

With --application-credential it is for a program that has one (openstack application credential create), builtin or keystone.

Secrets are not printed: put them into secure.yaml beside it (its first lines say how), or set OS_TOKEN, OS_PASSWORD or
OS_APPLICATION_CREDENTIAL_SECRET.

  --url URL       of the api (default: BLOCKYARD_URL, or http:// and BLOCKYARD_LISTEN)
  --name NAME     of the cloud (default: blockyard)
  --user NAME     (default: admin)
  --project NAME  (default: admin)
  --domain NAME   of user and project (default: Default)

Exit code: 0 done; 1 failed; 2 wrong usage.
`;

const SHAPE = {
  BLOCKYARD_AUTH: z.enum(['none', 'tokens', 'builtin', 'keystone'], {
    error: 'must be none, tokens, builtin or keystone',
  }),
  BLOCKYARD_KEYSTONE_URL: z.url().optional(),
  BLOCKYARD_URL: z.url().optional(),
  BLOCKYARD_LISTEN: z.string().default('127.0.0.1:8776'),
} as const;

/**
 * `blockyard clouds`.
 * @param argv what follows `clouds`.
 * @returns the exit code.
 */
export async function cloudsCommand(
  argv: readonly string[],
  streams: Streams,
  env: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  return await runCommand('clouds', USAGE, argv, streams, () => {
    const { values } = readArgs(argv, [], {
      url: { type: 'string' },
      name: { type: 'string', default: 'blockyard' },
      user: { type: 'string', default: 'admin' },
      project: { type: 'string', default: 'admin' },
      domain: { type: 'string', default: 'Default' },
      'application-credential': { type: 'string' },
    });
    const settings = readSettings(SHAPE, env);
    const url = values.url ?? settings.BLOCKYARD_URL ?? `http://${settings.BLOCKYARD_LISTEN}`;
    if (!URL.canParse(url)) throw new UsageError('--url is no URL');
    const { BLOCKYARD_AUTH: mode, BLOCKYARD_KEYSTONE_URL: keystoneUrl } = settings;
    if (mode === 'keystone' && keystoneUrl === undefined)
      throw new Error('BLOCKYARD_KEYSTONE_URL is not set');
    const { name, user, project, domain, 'application-credential': credential } = values;
    if (credential !== undefined && mode !== 'builtin' && mode !== 'keystone')
      throw new Error(`there are no application credentials while BLOCKYARD_AUTH is ${mode}`);
    const root = url.replace(/\/+$/, '');
    const cloud: Cloud = { mode, url: root, keystoneUrl, name, user, project, domain, credential };
    streams.stdout.write(cloudsYaml(cloud));
    return Promise.resolve(0);
  });
}

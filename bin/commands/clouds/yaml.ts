/** What there is to say of one cloud. */
export interface Cloud {
  readonly mode: 'none' | 'tokens' | 'builtin' | 'keystone';
  /** Of the api, without a slash at the end. */
  readonly url: string;
  readonly keystoneUrl: string | undefined;
  readonly name: string;
  readonly user: string;
  readonly project: string;
  /** Of user and project. */
  readonly domain: string;
  /** Id of the application credential to log in with, instead of user and project. */
  readonly credential: string | undefined;
}

type Fields = Readonly<Record<string, string>>;

/** The text of clouds.yaml; secrets belong into secure.yaml, whose text stands in a comment. */
export function cloudsYaml(cloud: Cloud): string {
  const { type, auth, secret } = howToLogIn(cloud);
  const name = quoted(cloud.name);
  const hint =
    secret === undefined
      ? ''
      : `# The ${secret} goes into secure.yaml, in the same folder, for nobody else to read:\n#\n#   clouds:\n#     ${name}:\n#       auth:\n#         ${secret}: …\n`;
  return `${hint}clouds:
  ${name}:
    auth_type: ${type}
    auth:
${lines(auth, 6)}
    identity_api_version: "3"
    # Without these the command line speaks the oldest of each; 3.70 is what Debian 12’s knows.
    volume_api_version: "3.70"
    compute_api_version: "2.79"
`;
}

interface Way {
  readonly type: string;
  readonly auth: Fields;
  readonly secret?: 'token' | 'password' | 'application_credential_secret';
}

function howToLogIn(cloud: Cloud): Way {
  const { mode, url, keystoneUrl = '', user, project, domain, credential } = cloud;
  const own = `${url}/identity/v3`;
  if (mode === 'none') return { type: 'v3token', auth: { auth_url: own, token: `${user}:${project}` } };
  if (mode === 'tokens') return { type: 'v3token', auth: { auth_url: own }, secret: 'token' };
  const auth_url = mode === 'builtin' ? own : keystoneUrl;
  if (credential !== undefined)
    return {
      type: 'v3applicationcredential',
      auth: { auth_url, application_credential_id: credential },
      secret: 'application_credential_secret',
    };
  const auth = {
    auth_url,
    username: user,
    project_name: project,
    user_domain_name: domain,
    project_domain_name: domain,
  };
  return { type: 'password', auth, secret: 'password' };
}

function lines(fields: Fields, indent: number): string {
  return Object.entries(fields)
    .map(([key, value]) => `${' '.repeat(indent)}${key}: ${quoted(value)}`)
    .join('\n');
}

/** YAML takes JSON's strings; a plain word stays one. */
function quoted(text: string): string {
  return /^[A-Za-z][A-Za-z0-9_-]*$/.test(text) ? text : JSON.stringify(text);
}

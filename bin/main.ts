type Command = (argv: readonly string[]) => Promise<number>;

interface Entry {
  readonly summary: string;
  /** Each command loads only what it needs: a filter shouldn't wait for a web server. */
  readonly load: () => Promise<Command>;
}

const COMMANDS: Readonly<Record<string, Entry>> = {
  agent: {
    summary: "give a host's agents accounts and keys of their own, list them, take them away",
    load: async () => {
      const { agentCommand } = await import('./commands/agent/command.ts');
      return (argv) => agentCommand(argv, process, process.env);
    },
  },
  clouds: {
    summary: 'print clouds.yaml for the openstack command line',
    load: async () => {
      const { cloudsCommand } = await import('./commands/clouds/command.ts');
      return (argv) => cloudsCommand(argv, process, process.env);
    },
  },
  'domain-xml': {
    summary: 'add a volume to a libvirt domain XML document, or take it out',
    load: async () => {
      const { domainXmlCommand } = await import('#compute-agent/libvirt/domain-xml/command.ts');
      return (argv) => domainXmlCommand(argv, process);
    },
  },
  doctor: {
    summary: 'say which real parts this machine has, and what to install for the rest',
    load: async () => {
      const { doctorCommand } = await import('./commands/doctor/command.ts');
      return (argv) => doctorCommand(argv, process, process.env);
    },
  },
  drift: {
    summary: 'compare MySQL with what every host has, and mend what differs',
    load: async () => {
      const { driftCommand } = await import('./commands/drift/command.ts');
      return (argv) => driftCommand(argv, process, process.env);
    },
  },
  identity: {
    summary: 'make the first administrator of the built-in identity service',
    load: async () => {
      const { identityCommand } = await import('./commands/identity/command.ts');
      return (argv) => identityCommand(argv, process, process.env);
    },
  },
  operations: {
    summary: 'list operations, show the timeline of one',
    load: async () => {
      const { operationsCommand } = await import('./commands/operations/command.ts');
      return (argv) => operationsCommand(argv, process, process.env);
    },
  },
  'force-detach': {
    summary: 'take a volume from a hypervisor that is down',
    load: async () => {
      const { forceDetachCommand } = await import('./commands/force-detach/command.ts');
      return (argv) => forceDetachCommand(argv, process, process.env);
    },
  },
  secrets: {
    summary: 'make a key, encrypt the secrets in MySQL with a new one',
    load: async () => {
      const { secretsCommand } = await import('./commands/secrets/command.ts');
      return (argv) => secretsCommand(argv, process, process.env);
    },
  },
  status: {
    summary: 'say which services are up, what is stuck, and what waits in the queues',
    load: async () => {
      const { statusCommand } = await import('./commands/status/command.ts');
      return (argv) => statusCommand(argv, process, process.env);
    },
  },
  restored: {
    summary: 'after a restore of MySQL: bring it and the hosts together again',
    load: async () => {
      const { restoredCommand } = await import('./commands/restored/command.ts');
      return (argv) => restoredCommand(argv, process, process.env);
    },
  },
};

const HELP = `Usage: blockyard COMMAND …

${Object.entries(COMMANDS)
  .map(([name, { summary }]) => `  ${name.padEnd(14)}${summary}`)
  .join('\n')}

blockyard COMMAND --help says more.
`;

const [name = '--help', ...argv] = process.argv.slice(2);
const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
if (entry !== undefined) {
  const command = await entry.load();
  process.exitCode = await command(argv);
} else if (['--help', '-h', 'help'].includes(name)) {
  process.stdout.write(HELP);
} else {
  process.stderr.write(
    `blockyard: there is no command "${name.replaceAll(/\p{C}+/gu, ' ').slice(0, 100)}" (blockyard --help lists them)\n`,
  );
  process.exitCode = 2;
}

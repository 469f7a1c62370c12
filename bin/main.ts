type Command = (argv: readonly string[]) => Promise<number>;

/** Each command loads only what it needs: a filter shouldn't wait for a web server. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  'domain-xml': async () => {
    const { domainXmlCommand } = await import('#compute-agent/libvirt/domain-xml/command.ts');
    return (argv) => domainXmlCommand(argv, process);
  },
};

const [name = '', ...argv] = process.argv.slice(2);
const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
if (load === undefined) {
  process.stderr.write(`Usage: blockyard COMMAND …\nCommands: ${Object.keys(COMMANDS).join(', ')}\n`);
  process.exitCode = 2;
} else {
  const command = await load();
  process.exitCode = await command(argv);
}

import { styleText } from 'node:util';

const COLOURS = ['cyan', 'yellow', 'green', 'magenta', 'blue', 'red'] as const;

/** Prints each process's lines behind its name, in a colour of its own when standard output is a terminal. */
export function prefixedLog(): (name: string, line: string) => void {
  const names: string[] = [];
  return (name, line) => {
    if (!names.includes(name)) names.push(name);
    const colour = COLOURS[names.indexOf(name) % COLOURS.length]!;
    console.log(`${styleText(colour, `${name.padEnd(9)} |`, { stream: process.stdout })} ${line}`);
  };
}

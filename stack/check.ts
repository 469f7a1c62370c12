/** `npm run check`: types, lint, format and dead code; everything is reported, not only the first complaint. */
import { execa } from 'execa';

const CHECKS = [
  { name: 'types', command: ['tsc'] },
  { name: 'lint', command: ['oxlint', '--type-aware'] },
  { name: 'format', command: ['biome', 'check'] },
  { name: 'dead code', command: ['knip'] },
] as const;

for (const { name, command } of CHECKS) {
  const began = performance.now();
  const [program, ...args] = command;
  const { exitCode, all } = await execa(program, args, { preferLocal: true, reject: false, all: true });
  const ok = exitCode === 0;
  console.log(`${ok ? 'ok    ' : 'FAILED'} ${name} (${((performance.now() - began) / 1000).toFixed(1)} s)`);
  if (!ok) {
    console.log(all);
    process.exitCode = 1;
  }
}

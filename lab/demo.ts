/** `npm run demo -- --lab`: the acceptance walk in the lab, each step observed. */
import { Report } from '#stack/demo/report.ts';
import { runLabDemo } from './walk/run.ts';

try {
  process.exitCode = await runLabDemo(
    { runDir: `.data/demo-lab-${process.pid}` },
    new Report(process.stdout),
  );
} catch (error) {
  process.stderr.write(`demo: ${String(error)}\n`);
  process.exitCode = 1;
}

import { appendFile, mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Cell, nameOf } from './cells.ts';
import { diagnose } from './diagnosis.ts';
import { play } from './play.ts';
import { Rig } from './rig.ts';
import { type Outcome, parseOutcomes } from './table.ts';

interface CampaignOptions {
  /** Where outcomes are written, one line each, as they come. */
  readonly file: string;
  /** Those in the file that passed are not tried again. */
  readonly resume: boolean;
  /** No further cell is begun after this. */
  readonly untilMs: number;
  readonly say: (line: string) => void;
}

/** What goes wrong first is the cause of much that comes after. */
const DIAGNOSES_AT_MOST = 5;
/** It takes longer than most cells. */
const SEEN_TO_EVERY = 25;

/**
 * Plays the cells one after another on one stage; after a cell that failed the next one finds a new stage.
 * @returns the outcomes of all cells that have one, those of an earlier campaign included when it is resumed.
 */
export async function campaign(cells: readonly Cell[], options: CampaignOptions): Promise<Outcome[]> {
  const { file, say } = options;
  await mkdir(dirname(file), { recursive: true });
  const outcomes = options.resume ? (await earlier(file)).filter(({ passed }) => passed) : [];
  const known = new Set(outcomes.map(nameOf));
  let rig: Rig | undefined;
  let diagnoses = 0;
  const record = async (outcome: Outcome): Promise<void> => {
    outcomes.push(outcome);
    await appendFile(file, `${JSON.stringify(outcome)}\n`);
  };
  try {
    for (const [index, cell] of cells.entries()) {
      if (performance.now() > options.untilMs) {
        say(`time is up: ${cells.length - index} cells were not tried`);
        break;
      }
      if (known.has(nameOf(cell))) continue;
      rig ??= await Rig.start();
      try {
        const played = await play(rig, cell);
        if (index % SEEN_TO_EVERY === 0) await seeTo(rig);
        await record({ ...cell, passed: true, ...played });
        say(
          `${index + 1}/${cells.length} ${nameOf(cell)}: ${played.end} after ${played.seconds.toFixed(1)} s`,
        );
      } catch (error) {
        await record({ ...cell, passed: false, seconds: 0, end: 'failed' });
        say(
          `FAILED ${index + 1}/${cells.length} ${nameOf(cell)}: ${error instanceof Error ? error.stack : String(error)}`,
        );
        if (diagnoses++ < DIAGNOSES_AT_MOST) say(await diagnose(rig));
        await rig[Symbol.asyncDispose]();
        rig = undefined;
      }
    }
    if (rig !== undefined) await seeTo(rig);
  } finally {
    await rig?.[Symbol.asyncDispose]();
  }
  return outcomes;
}

/** The guest has its data, and the product itself finds no difference anywhere. */
async function seeTo(rig: Rig): Promise<void> {
  await rig.anchor.verify();
  await rig.verifyNoDrift();
}

async function earlier(file: string): Promise<Outcome[]> {
  return parseOutcomes(await readFile(file, 'utf8').catch(() => ''));
}

import type { Runner } from '#agent/run.ts';

/** Where Debian packages come from. */
interface Sources {
  readonly suite: string;
  /** Of the form `deb http://mirror/debian bookworm main`. */
  readonly lines: readonly string[];
}

const FALLBACK: Sources = {
  suite: 'bookworm',
  lines: [
    'deb http://deb.debian.org/debian bookworm main',
    'deb http://deb.debian.org/debian-security bookworm-security main',
  ],
};

/** This machine's own release and mirrors where it is a Debian; else the public mirror. */
export async function debianSources(runner: Runner): Promise<Sources> {
  const format = '$(ORIGIN)|$(CODENAME)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)';
  const { stdout } = await runner.run('apt-get', [
    'indextargets',
    '--format',
    format,
    'Created-By: Packages',
  ]);
  const targets = stdout
    .split('\n')
    .map((line) => line.split('|'))
    .filter(([origin, , , , component]) => origin === 'Debian' && component === 'main');
  const lines = targets.map(([, , uri, release]) => `deb ${uri} ${release} main`);
  // Releases like "bookworm-updates" belong to one without a hyphen.
  const suite = targets.map(([, codename]) => codename).find((codename) => codename?.includes('-') === false);
  return suite === undefined ? FALLBACK : { suite, lines: [...new Set(lines)] };
}

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Described } from './described.ts';
import { ClientRig } from './rig.ts';

const execute = promisify(execFile);
const ROOT = new URL('../../../', import.meta.url).pathname;
const BIN = join(ROOT, 'node_modules/.bin');
const WALK = join(ROOT, 'test/fixtures/openapi/walk.ts');

/** test/fixtures/openapi/walk.ts, beside its client. */
interface Generated {
  walk(place: {
    url: string;
    user: string;
    password: string;
    project: string;
    fetch: typeof fetch;
  }): Promise<void>;
}

/** Strict, so that a schema which says nothing (`unknown`) does not pass for one that says something. */
const CHECKS = [
  '--noEmit',
  '--ignoreConfig',
  '--strict',
  '--module',
  'nodenext',
  '--target',
  'es2024',
  '--skipLibCheck',
];

describe('a client generated from /openapi.json', function () {
  this.timeout(360_000);
  let rig: ClientRig;
  let dir: string;
  before(async () => {
    rig = await ClientRig.start();
    // Inside the project, for the generated code has a library of its own to find.
    const parent = join(ROOT, '.data');
    await mkdir(parent, { recursive: true });
    dir = await mkdtemp(join(parent, 'client-'));
  });
  after(async () => {
    await rm(dir, { recursive: true });
    await rig[Symbol.asyncDispose]();
  });

  it('is made of a valid document, type-checks, and works; each answer is what the document says', async () => {
    const { apiUrl: url, admin, project } = rig.stack;
    const document = await (await fetch(`${url}/openapi.json`)).text();
    const { valid, errors } = await new Validator().validate(JSON.parse(document) as Record<string, unknown>);
    assert.ok(valid, JSON.stringify(errors)?.slice(0, 2000));

    const file = join(dir, 'openapi.json');
    await writeFile(file, document);
    await execute(join(BIN, 'oazapfts'), [file, join(dir, 'client.ts')]);
    await copyFile(WALK, join(dir, 'walk.ts'));
    await execute(join(BIN, 'tsc'), [...CHECKS, '--allowImportingTsExtensions', join(dir, 'walk.ts')]).catch(
      (error: unknown) => assert.fail((error as { stdout: string }).stdout),
    );

    const generated = (await import(pathToFileURL(join(dir, 'walk.ts')).href)) as Generated;
    const described = new Described(JSON.parse(document) as Record<string, unknown>);
    const { fetch: checked } = described;
    await generated.walk({ url, user: admin.user, password: admin.password, project, fetch: checked });
    assert.ok(described.answered.size >= 80, `${described.answered.size} operations have answered`);
  });
});

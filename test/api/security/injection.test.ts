/** Words that have broken shells, paths, XML and protocols before, in every text that a body has; and what of them reaches an agent. */
import assert from 'node:assert/strict';
import { PROJECT, startApi, type TestApi } from '#test/api/support/api.ts';
import { type Hosts, startHosts } from '#test/api/support/hosts.ts';
import { attempt, pathOf } from './support/attack.ts';
import { bodiesOf } from './support/bodies.ts';
import { HOSTILE, MARK, texts } from './support/hostile.ts';
import { makeKit } from './support/kit.ts';
import { roleOf, TARGETS, withValue } from './support/surface.ts';

/** Letters that none of the programs gives a meaning to, at any place. */
const HARMLESS = /^(?!-)[\w.:@#+=,/[\] -]*$/;

const CONSUMES = /attachments|servers|POST \/snapshots$|action/;

describe('injection', () => {
  let api: TestApi;
  let hosts: Hosts;
  const tasks: { readonly name: string; readonly input: unknown }[] = [];

  before(async function () {
    this.timeout(30_000);
    api = await startApi();
    hosts = await startHosts(api);
    const carryOut = hosts.model.carryOut.bind(hosts.model);
    hosts.model.carryOut = (name, input) => {
      tasks.push({ name, input });
      return carryOut(name, input);
    };
  });
  after(async () => {
    await hosts?.[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
  });

  for (const target of TARGETS.filter(
    ({ route, key }) => route.body !== undefined && !key.endsWith('/file'),
  )) {
    it(`by the texts of ${target.key}`, async function () {
      this.timeout(60_000);
      let own = await makeKit(api, 'member');
      const as = roleOf(target) === 'admin' ? 'admin' : 'member';
      for (const [index, good] of bodiesOf(target, own).entries()) {
        for (const { place, key } of texts(good)) {
          for (const word of HOSTILE) {
            const body = key
              ? withValue(bodiesOf(target, own)[index], [...place.slice(0, -1), word], 'value')
              : withValue(bodiesOf(target, own)[index], place, word);
            const { status } = await attempt(api, target, {
              as,
              project: PROJECT,
              path: pathOf(target, own),
              body,
            });
            // What has been attached, booted or acted upon is used up.
            if (status < 400 && CONSUMES.test(target.key)) own = await makeKit(api, 'member');
          }
        }
      }
      for (const { name, input } of tasks.splice(0)) checkTask(name, input);
      assert.deepEqual(api.log, []);
    });
  }

  it('something did reach the agents', () => {
    assert.ok(hosts.model.volumes.size > 0);
  });
});

function checkTask(name: string, input: unknown): void {
  for (const { place, value } of texts(input)) {
    if (place.at(-1) === 'secret') continue;
    assert.match(value, HARMLESS, `${name}: ${place.join('.')}`);
    assert.ok(!value.includes(MARK), `${name} is told a client's own words: ${place.join('.')} = ${value}`);
  }
}

/** Attacks on HTTP itself, as bytes on a connection to the real server. */
import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { oneLine } from '#api/http/one-line.ts';
import { PROJECT, startApi, type TestApi, TOKENS } from '#test/api/support/api.ts';
import { heldFetch } from '../support/held-fetch.ts';
import { pathOf } from './support/attack.ts';
import { makeKit } from './support/kit.ts';
import { rootOf, TARGETS } from './support/surface.ts';
import { headersOf, open, statusesOf } from './support/wire.ts';

const VOLUMES = `/v3/${PROJECT}/volumes`;
const HEAD = `Host: x\r\nX-Auth-Token: ${TOKENS.member}\r\nContent-Type: application/json\r\n`;
const VOLUME = '{"volume":{"size":1,"name":"smuggled"}}';
/** What must never be carried out when it stands in another request's body. */
const HIDDEN = `POST ${VOLUMES} HTTP/1.1\r\n${HEAD}Content-Length: ${VOLUME.length}\r\n\r\n${VOLUME}`;

const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;

/** Requests that two servers in a row may read differently: where one ends, the other finds HIDDEN. */
const SMUGGLED: Readonly<Record<string, string>> = {
  'both lengths': `Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'both lengths, the other way round': `Transfer-Encoding: chunked\r\nContent-Length: ${HIDDEN.length}\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'two lengths': `Content-Length: 0\r\nContent-Length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`,
  'a list of lengths': `Content-Length: 0, ${HIDDEN.length}\r\n\r\n${HIDDEN}`,
  'a length with a sign': `Content-Length: +0\r\n\r\n${HIDDEN}`,
  'a hexadecimal length': `Content-Length: 0x0\r\n\r\n${HIDDEN}`,
  'a negative length': `Content-Length: -1\r\n\r\n${HIDDEN}`,
  'an unknown coding': `Transfer-Encoding: xchunked\r\n\r\n${HIDDEN}`,
  'chunked, but not last': `Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'a blank before the colon': `Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'a folded header': `Transfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'a chunk size with a sign': `Transfer-Encoding: chunked\r\n\r\n-0\r\n\r\n${HIDDEN}`,
  'a chunk size too big to be one': `Transfer-Encoding: chunked\r\n\r\n${'f'.repeat(17)}\r\n${HIDDEN}`,
  'a chunk that ends early': `Transfer-Encoding: chunked\r\n\r\n1\r\nAB\r\n0\r\n\r\n${HIDDEN}`,
  'a header with a NUL': `X-A\0: 1\r\n\r\n${HIDDEN}`,
  'a bare CR in a header': `X-A: 1\rTransfer-Encoding: chunked\r\n\r\n${HIDDEN}`,
};

describe('HTTP', () => {
  let api: TestApi;
  before(async () => {
    api = await startApi();
  });
  after(() => api[Symbol.asyncDispose]());

  const volumes = () => api.db.selectFrom('volumes').select('name').execute();

  for (const [name, rest] of Object.entries(SMUGGLED)) {
    it(`smuggling by ${name} is refused, and the connection closed`, async () => {
      const { answer } = open(api.url, `POST ${VOLUMES} HTTP/1.1\r\n${HEAD}${rest}`);
      const statuses = statusesOf(await answer);
      assert.deepEqual(statuses, [400], await answer);
      assert.deepEqual(await volumes(), []);
      assert.deepEqual(api.log, []);
    });
  }

  it('what a request does not read of its body is no request', async () => {
    const { answer } = open(
      api.url,
      `GET ${VOLUMES} HTTP/1.1\r\n${HEAD}Content-Length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`,
    );
    assert.equal(statusesOf(await answer).length, 1);
    assert.deepEqual(await volumes(), []);
  });

  it('a request that is behind another one on the connection has to prove itself', async () => {
    const plain = `GET ${VOLUMES} HTTP/1.1\r\nHost: x\r\n\r\n`;
    const { answer } = open(api.url, `GET ${VOLUMES} HTTP/1.1\r\n${HEAD}\r\n${plain}`);
    assert.deepEqual(statusesOf(await answer), [200, 401]);
  });

  it('nothing that a client says becomes a header of the answer', async () => {
    const kit = await makeKit(api, 'member');
    const split = '%0d%0aX-Injected:%201%0d%0a%0d%0aHTTP/1.1%20200%20OK';
    for (const target of TARGETS) {
      const root = rootOf(target.service, PROJECT);
      const path = pathOf(target, kit);
      const paths = [`${path}?marker=${split}&limit=1${split}`, path.replace(/[^/]+$/, split)];
      for (const one of paths) {
        const { answer } = open(
          api.url,
          `${target.route.method} ${root}${one} HTTP/1.1\r\n${HEAD}Connection: close\r\n` +
            `X-Openstack-Request-Id: req-planted\r\nX-Forwarded-Host: planted\r\nX-Forwarded-For: 1\t2\r\n` +
            `X-Request-Id: planted\r\nOpenStack-API-Version: volume 3.71\t\r\nContent-Length: 0\r\n\r\n`,
        );
        const text = await answer;
        assert.equal(statusesOf(text.split('\r\n\r\n')[0] ?? '').length, 1, text);
        assert.ok(!headersOf(text).includes('x-injected'), text);
        assert.ok(!/planted/.test(text), `${one}: ${text}`);
      }
    }
    assert.deepEqual(api.log, []);
  });

  it('a version that is none, and a host that is none, are not repeated in headers and links', async () => {
    for (const line of [
      'OpenStack-API-Version: volume 3.1<script>',
      'OpenStack-API-Version: volume 3.71, volume 3.0\u0001',
      'Host: evil"><script>',
      'Host: a/../b',
    ]) {
      const host = line.startsWith('Host') ? '' : 'Host: x\r\n';
      const { answer } = open(
        api.url,
        `GET ${VOLUMES}/detail HTTP/1.1\r\n${host}${line}\r\nX-Auth-Token: ${TOKENS.member}\r\nConnection: close\r\n\r\n`,
      );
      const [head = ''] = (await answer).split('\r\n\r\n');
      assert.ok(
        ['script', '..', '\u0001'].every((part) => !head.includes(part)),
        head,
      );
      if (host === '') assert.ok(!(await answer).includes('<script'), await answer);
    }
  });

  it('the log’s entries are lines, whatever is told in them', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        assert.doesNotMatch(oneLine(text), /[\p{Cc}\p{Zl}\p{Zp}]/u);
      }),
    );
    assert.equal(oneLine('a\nreq-1 GET failed\u001b[2J'), String.raw`a\nreq-1 GET failed\u001b[2J`);
    assert.equal(oneLine('as it is: ü “x”'), 'as it is: ü “x”');
  });

  describe('bodies', () => {
    it('a huge one is refused before it is read', async () => {
      const { answer, socket } = open(
        api.url,
        `POST ${VOLUMES} HTTP/1.1\r\n${HEAD}Content-Length: 10737418240\r\n\r\n${'x'.repeat(1_000)}`,
      );
      assert.deepEqual(statusesOf(await answer), [413]);
      assert.ok(socket.destroyed);
    });

    it('one that does not end is refused soon, and not kept', async () => {
      const { answer, socket } = open(
        api.url,
        `POST ${VOLUMES} HTTP/1.1\r\n${HEAD}Transfer-Encoding: chunked\r\n\r\n`,
      );
      const piece = chunk('x'.repeat(16_384));
      let sent = 0;
      while (!socket.destroyed && sent < 512 * 1024 ** 2) {
        sent += piece.length;
        if (!socket.write(piece)) await Promise.race([new Promise((go) => socket.once('drain', go)), answer]);
      }
      assert.deepEqual(statusesOf(await answer), [413]);
      // What the kernels on both sides hold, and little more.
      assert.ok(sent < 32 * 1024 ** 2, `${sent} bytes were taken`);
    });

    it('one that is packed is not unpacked', async () => {
      const bomb = gzipSync(Buffer.alloc(64 * 1024 ** 2, '{"a":'));
      assert.ok(bomb.length < 114_688);
      const { answer } = open(
        api.url,
        Buffer.concat([
          Buffer.from(
            `POST ${VOLUMES} HTTP/1.1\r\n${HEAD}Content-Encoding: gzip\r\nContent-Length: ${bomb.length}\r\n\r\n`,
          ),
          bomb,
        ]),
      );
      assert.deepEqual(statusesOf(await answer), [415]);
    });

    it('deep, wide and doubled JSON is refused quickly', async () => {
      const deep = (opening: string, ending: string, times: number) =>
        `${opening.repeat(times)}1${ending.repeat(times)}`;
      const bodies = [
        deep('[', ']', 50_000),
        deep('{"a":', '}', 15_000),
        `{"volume":${deep('{"metadata":', '}', 8_000)}}`,
        `{${Array.from({ length: 10_000 }, (_, at) => `"${at}":1`).join(',')}}`,
        `[${'1e999,'.repeat(15_000)}1]`,
        `{"volume":{"size":1${'0'.repeat(100_000)}}}`,
        '{"volume":{"size":1},"__proto__":{"isAdmin":true}}',
      ];
      for (const body of bodies) {
        const began = performance.now();
        const { status } = await heldFetch(`${api.url}${VOLUMES}`, {
          method: 'POST',
          headers: { 'X-Auth-Token': TOKENS.member, 'Content-Type': 'application/json' },
          body,
        });
        assert.equal(status, 400, body.slice(0, 40));
        assert.ok(performance.now() - began < 1_000);
      }
      assert.deepEqual(api.log, []);
    });

    it('a header that is too big is refused', async () => {
      const { answer } = open(api.url, `GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(1_000_000)}\r\n\r\n`);
      assert.deepEqual(statusesOf(await answer), [431]);
    });
  });
});

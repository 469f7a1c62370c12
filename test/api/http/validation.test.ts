import assert from 'node:assert/strict';
import { z } from 'zod';
import { ApiError } from '#api/http/errors.ts';
import { flag, text255, trimmed255, uuid } from '#api/http/fields.ts';
import { repr } from '#api/http/python.ts';
import { parseInput } from '#api/http/validation.ts';

const body = z.strictObject({
  thing: z.strictObject({
    name: text255.nullish(),
    size: z.int().min(1).optional(),
    of: uuid.optional(),
    shared: flag.optional(),
    kind: z.enum(['a', 'b']).optional(),
    metadata: z
      .record(z.string().regex(/^\w+$/, { error: "does not match any of the regexes: '^w+$'" }), text255)
      .optional(),
    note: trimmed255.optional(),
    needed: z.string(),
  }),
});

/** What a client is told about a thing, by the words that Cinder 2024.2 uses for the same. */
const SAID: readonly (readonly [sent: unknown, message: string])[] = [
  [[], "[] is not of type 'object'"],
  [null, "None is not of type 'object'"],
  ['x', "'x' is not of type 'object'"],
  [{}, "'thing' is a required property"],
  [{ thing: 5 }, "Invalid input for field/attribute thing. Value: 5. 5 is not of type 'object'"],
  [
    { thing: { name: "it's", on: true } },
    `Invalid input for field/attribute thing. Value: {'name': "it's", 'on': True}. 'needed' is a required property`,
  ],
  [
    { thing: { needed: 'n', on: null } },
    "Invalid input for field/attribute thing. Value: {'needed': 'n', 'on': None}. Additional properties are not allowed ('on' was unexpected)",
  ],
  [
    { thing: { name: 7 } },
    "Invalid input for field/attribute name. Value: 7. 7 is not of type 'string', 'null'",
  ],
  [
    { thing: { needed: 'n', size: 1.5 } },
    "Invalid input for field/attribute size. Value: 1.5. 1.5 is not of type 'integer'",
  ],
  [
    { thing: { needed: 'n', size: 0 } },
    'Invalid input for field/attribute size. Value: 0. 0 is less than the minimum of 1',
  ],
  [
    { thing: { needed: 'n', of: 'x' } },
    "Invalid input for field/attribute of. Value: x. 'x' is not a 'uuid'",
  ],
  [
    { thing: { needed: 'n', shared: [] } },
    "Invalid input for field/attribute shared. Value: []. [] is not of type 'boolean', 'string'",
  ],
  [
    { thing: { needed: 'n', kind: 'c' } },
    "Invalid input for field/attribute kind. Value: c. 'c' is not one of ['a', 'b']",
  ],
  [
    { thing: { needed: 'n', metadata: { '-': '1' } } },
    "Invalid input for field/attribute metadata. Value: {'-': '1'}. '-' does not match any of the regexes: '^w+$'",
  ],
  [
    { thing: { needed: 'n', name: 'n'.repeat(256) } },
    `Invalid input for field/attribute name. Value: ${'n'.repeat(256)}. '${'n'.repeat(256)}' is too long`,
  ],
  [
    { thing: { needed: 'n', note: ` ${'n'.repeat(256)}` } },
    'Invalid input received: note has 256 characters, more than 255.',
  ],
];

describe('validation', () => {
  for (const [sent, message] of SAID) {
    it(JSON.stringify(sent).slice(0, 60), () => {
      assert.throws(
        () => parseInput(body, sent),
        (error) =>
          error instanceof ApiError && error.status === 400 && (assert.equal(error.message, message), true),
      );
    });
  }

  it('repeats no password', () => {
    const login = z.strictObject({ password: z.string(), user: z.strictObject({ password: z.string() }) });
    for (const sent of [
      { password: 5177 },
      { password: 'p', user: { password: 5177 } },
      { password: 'x', user: { password: 'y5177', z: 1 } },
    ]) {
      assert.throws(
        () => parseInput(login, sent),
        (error) => !String(error).includes('5177'),
      );
    }
  });

  it('writes what Python writes', () => {
    assert.equal(
      repr({ a: [1, 'x', null, false], 'b\n': `"'` }),
      String.raw`{'a': [1, 'x', None, False], 'b\n': '"\''}`,
    );
    assert.equal(repr('\u0007 \u00a0 \\ é 🙂'), String.raw`'\x07 \xa0 \\ é 🙂'`);
  });
});

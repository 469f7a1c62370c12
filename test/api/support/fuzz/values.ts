import * as fc from 'fast-check';

/** Text that has broken servers before. */
const nasty = fc.constantFrom(
  '',
  '\u0000',
  'a\u0000b',
  '\ud800',
  '__proto__',
  'constructor',
  'toString',
  '../../etc/passwd',
  "' OR 1=1 -- ",
  '%00',
  '😀'.repeat(300),
  'x'.repeat(256),
  'x'.repeat(70_000),
  'null',
  '-1',
  '0',
  '1e400',
  '9007199254740993',
  '2147483648',
  '99999999999999999999999999',
  'NaN',
  'İı',
  '\u202e',
  'é'.normalize('NFD'),
);
export const text = fc.oneof(
  nasty,
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ maxLength: 40 }),
);

export const json = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  text,
  fc.double(),
  fc.constantFrom(1e308, -0, 2 ** 53, 2 ** 31, -1, 0, 1.5, [], {}, [[[]]], null, true, 'true'),
  fc.record({ ['__proto__']: fc.jsonValue(), constructor: fc.jsonValue() }, { noNullPrototype: true }),
);

const FIELDS =
  'name size description metadata volume_type availability_zone volume_uuid connector initiator mode status host ' +
  'consumer total_iops_sec read_iops_sec is_public imageRef multiattach device new_size binary disabled_reason';
export const word = fc.constantFrom(...FIELDS.split(' '));

const QUERIES =
  'limit marker offset sort sort_key sort_dir name status metadata bootable all_tenants with_count size created_at ' +
  'updated_at name~ id host is_public volume_id state detail volume_type force vol_type_id usage project_id cascade';
const queryName = fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...QUERIES.split(' ')) }, text);
const queryValue = fc.oneof(
  fc.constantFrom('1', '0', 'true', 'name:asc', "{'key': 'value'}", 'gt:2020-01-01', '@volume0', '@type'),
  text,
);
export const query = fc.oneof(
  { weight: 2, arbitrary: fc.constant<[string, string][]>([]) },
  { weight: 1, arbitrary: fc.constant([['vol_type_id', '@type'] as [string, string]]) },
  fc.array(fc.tuple(queryName, queryValue), { maxLength: 3 }),
);

/** One in `n` is odd, the others are right. */
export function mostly<T>(n: number, right: fc.Arbitrary<T>, odd: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof({ weight: n - 1, arbitrary: right }, { weight: 1, arbitrary: odd });
}

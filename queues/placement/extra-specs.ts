import { capabilitiesOf, type Described } from './capabilities.ts';

/** Reserved by Cinder since 3.52. */
const ZONES_KEY = 'RESKEY:availability_zones';
const SCOPE = 'capabilities:';

/** What a type's column says: a null asks for an empty value. */
export function readSpecs(text: string): Record<string, string> {
  const specs = Object.entries(JSON.parse(text) as Record<string, string | null>);
  return Object.fromEntries(specs.map(([key, value]) => [key, value ?? '']));
}

/** The zones that a type is for; null when it is for all. */
export function zonesOf(specs: Readonly<Record<string, string>>): string[] | null {
  const zones = specs[ZONES_KEY];
  return zones === undefined
    ? null
    : zones
        .split(',')
        .filter((zone) => zone !== '')
        .map((zone) => zone.trim());
}

/**
 * Why the pool does not have what the type asks for, or null. Keys without a scope and keys scoped `capabilities:`
 * are compared; other scopes are meant for somebody else. The operators are those of Cinder's CapabilitiesFilter
 * ("Configure volume type extra specs" in its admin guide).
 */
export function unmetSpec(pool: Described, specs: Readonly<Record<string, string>>): string | null {
  const compared = Object.entries(specs).filter(([key]) => !key.includes(':') || key.startsWith(SCOPE));
  if (compared.length === 0) return null;
  const has = capabilitiesOf(pool);
  for (const [key, wanted] of compared) {
    const name = key.startsWith(SCOPE) ? key.slice(SCOPE.length) : key;
    const actual = Object.hasOwn(has, name) ? has[name] : undefined;
    if (actual === undefined) return `it does not report ${name}`;
    if (!matches(String(actual), wanted))
      return `its ${name} is ${String(actual)}, the type asks for ${wanted}`;
  }
  return null;
}

const NUMERIC: Readonly<Record<string, (actual: number, wanted: number) => boolean>> = {
  '=': (a, b) => a >= b,
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '>=': (a, b) => a >= b,
  '<=': (a, b) => a <= b,
};
const TEXTUAL: Readonly<Record<string, (actual: string, wanted: string) => boolean>> = {
  's==': (a, b) => a === b,
  's!=': (a, b) => a !== b,
  's>=': (a, b) => a >= b,
  's>': (a, b) => a > b,
  's<=': (a, b) => a <= b,
  's<': (a, b) => a < b,
};

function matches(actual: string, wanted: string): boolean {
  const [operator = '', ...words] = wanted.trim().split(/\s+/);
  const operand = words.join(' ');
  if (Object.hasOwn(NUMERIC, operator)) return NUMERIC[operator]?.(Number(actual), Number(operand)) ?? false;
  if (Object.hasOwn(TEXTUAL, operator)) return TEXTUAL[operator]?.(actual, operand) ?? false;
  switch (operator) {
    case '<is>':
      return isTrue(actual) === isTrue(operand);
    case '<in>':
      return actual.includes(operand);
    case '<or>':
      return operand.split(/\s*<or>\s*/).includes(actual);
    default:
      return actual.toLowerCase() === wanted.trim().toLowerCase();
  }
}

function isTrue(text: string): boolean {
  return ['true', '1', 'yes', 'on', 't', 'y'].includes(text.toLowerCase());
}

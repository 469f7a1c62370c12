import type { z } from 'zod';

/** jsonschema's names for what zod expects at a path, `null` included. */
export function typesAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let current: unknown = schema;
  for (const key of path) current = below(unwrap(current).schema, key);
  const { schema: found, nullable } = unwrap(current);
  const types = found === undefined ? [] : typesOf(found);
  return types.length === 0 || !nullable ? types : [...types, 'null'];
}

interface Definition {
  readonly type: string;
  /** Of numbers: whole ones have one. */
  readonly format?: string;
  readonly innerType?: unknown;
  readonly in?: unknown;
  readonly shape?: Readonly<Record<PropertyKey, unknown>>;
  readonly valueType?: unknown;
  readonly catchall?: unknown;
  readonly element?: unknown;
  readonly options?: readonly unknown[];
}

function definitionOf(schema: unknown): Definition | undefined {
  return (schema as { def?: Definition } | undefined)?.def;
}

/** Looks through what says nothing of the type itself. */
function unwrap(schema: unknown): { schema: Definition | undefined; nullable: boolean } {
  let nullable = false;
  let found = definitionOf(schema);
  for (;;) {
    const inner = found?.innerType ?? (found?.type === 'pipe' ? found.in : undefined);
    if (inner === undefined) return { schema: found, nullable };
    nullable ||= found?.type === 'nullable';
    found = definitionOf(inner);
  }
}

function below(definition: Definition | undefined, key: PropertyKey): unknown {
  return definition?.shape?.[key] ?? definition?.valueType ?? definition?.element ?? definition?.catchall;
}

function typesOf({ type, format, options }: Definition): string[] {
  if (type === 'number' && format !== undefined) return ['integer'];
  if (type === 'union') {
    return [...new Set((options ?? []).flatMap((option) => typesAt(option as z.ZodType, [])))];
  }
  const name = jsonType(type);
  return JSON_TYPES.has(name) ? [name] : [];
}

const JSON_TYPES = new Set(['object', 'array', 'string', 'integer', 'number', 'boolean', 'null']);
const OF_ZOD: Readonly<Record<string, string>> = {
  record: 'object',
  int: 'integer',
  enum: 'string',
};

export function jsonType(type: string): string {
  return OF_ZOD[type] ?? type;
}

/** Whether a value is of one of jsonschema's types. */
export function isOf(type: string, value: unknown): boolean {
  switch (type) {
    case 'null':
      return value === null;
    case 'array':
      return Array.isArray(value);
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value);
    case 'integer':
      return Number.isInteger(value);
    default:
      return typeof value === type;
  }
}

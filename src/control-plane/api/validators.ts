/** What a schema becomes for Fastify: a function that says whether a value fits, and why not in its `errors`. Main thread, pure. */
import type { Ajv, ValidateFunction } from "ajv";
import type { TSchema } from "typebox";

const PLAIN = /^-?\d{1,15}$/;
/** No number to Ajv, which then says so. */
const NO_NUMBER = "";

type Validator = ((data: unknown) => boolean) & { errors: NonNullable<ValidateFunction["errors"]> | null };

/** Compiled when it is first asked: of some 150 schemas a gateway needs few, and all of them would be a tenth of its start. */
export function atFirstUse(schema: TSchema, ajv: Ajv): Validator {
  let compiled: ValidateFunction | null = null;
  const check = (data: unknown): boolean => {
    compiled ??= ajv.compile(schema);
    const isGood = compiled(data);
    validator.errors = compiled.errors ?? null;
    return isGood;
  };
  const validator: Validator = Object.assign(check, { errors: null });
  return validator;
}

/**
 * `check`, behind a look at the members that are whole numbers by the schema. Queries and paths are text, and Ajv turns into a number
 * whatever JavaScript does: `Infinity`, which passes every bound, and `0x10`. Only plain decimal digits are let through to it.
 */
export function withPlainNumbers(schema: TSchema, check: Validator): Validator {
  const names = numberNames(schema);
  const checkPlain = (data: unknown): boolean => {
    // Queries and parameters are objects.
    for (const name of names) hideOtherNumbers(data as Record<string, unknown>, name);
    const isGood = check(data);
    plain.errors = check.errors;
    return isGood;
  };
  const plain: Validator = Object.assign(checkPlain, { errors: null });
  return plain;
}

function hideOtherNumbers(data: Record<string, unknown>, name: string): void {
  const text = Object.hasOwn(data, name) ? data[name] : undefined;
  if (typeof text === "string" && !PLAIN.test(text)) data[name] = NO_NUMBER;
}

function numberNames(schema: TSchema): readonly string[] {
  // Schemas of queries and parameters are objects.
  const { properties = {} } = schema as { properties?: Readonly<Record<string, { readonly type?: unknown }>> };
  return Object.entries(properties).flatMap(([name, { type }]) => (type === "integer" ? [name] : []));
}

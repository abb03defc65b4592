/** What a schema becomes for Fastify: a function that says whether a value fits, and why not in its `errors`. Main thread, pure. */
import type { Ajv, ValidateFunction } from "ajv";
import type { TSchema } from "typebox";

const PLAIN = /^-?\d{1,15}$/;
/** No number to Ajv, which then says so. */
const NO_NUMBER = "";

type Validator = ((data: unknown) => boolean) & { errors: NonNullable<ValidateFunction["errors"]> | null };

/**
 * Compiled when it is first asked: of some 150 schemas a gateway needs few, and all of them would be a tenth of what the main thread
 * does to start. `prepare` sees each value before.
 */
export function atFirstUse(schema: TSchema, ajv: Ajv, prepare: (data: unknown) => void = () => undefined): Validator {
  let compiled: ValidateFunction | null = null;
  const check = (data: unknown): boolean => {
    compiled ??= ajv.compile(schema);
    prepare(data);
    const isGood = compiled(data);
    validator.errors = compiled.errors ?? null;
    return isGood;
  };
  const validator: Validator = Object.assign(check, { errors: null });
  return validator;
}

/**
 * For queries and paths, which are text: Ajv turns into a number whatever JavaScript does, `Infinity`, which passes every bound, and
 * `0x10`. Of members that are whole numbers by the schema only plain decimal digits are let through to it.
 */
export function hideOtherNumbers(schema: TSchema): (data: unknown) => void {
  const names = numberNames(schema);
  return (data) => {
    // Queries and parameters are objects.
    const members = data as Record<string, unknown>;
    for (const name of names) {
      const text = Object.hasOwn(members, name) ? members[name] : undefined;
      if (typeof text === "string" && !PLAIN.test(text)) members[name] = NO_NUMBER;
    }
  };
}

function numberNames(schema: TSchema): readonly string[] {
  // Schemas of queries and parameters are objects.
  const { properties = {} } = schema as { properties?: Readonly<Record<string, { readonly type?: unknown }>> };
  return Object.entries(properties).flatMap(([name, { type }]) => (type === "integer" ? [name] : []));
}

/**
 * Numbers in queries and paths, which are text. Main thread, pure. Ajv turns into a number whatever JavaScript does: `Infinity`, which
 * passes every bound, and `0x10`. Only plain decimal digits are let through to it.
 */
import type { ValidateFunction } from "ajv";
import type { TSchema } from "typebox";

const PLAIN = /^-?\d{1,15}$/;
/** No number to Ajv, which then says so. */
const NO_NUMBER = "";

/** `check`, behind a look at the members that are whole numbers by the schema. */
export function withPlainNumbers(schema: TSchema, check: ValidateFunction) {
  const names = numberNames(schema);
  const plain = Object.assign(
    (data: Record<string, unknown>): boolean => {
      for (const name of names) {
        const text = Object.hasOwn(data, name) ? data[name] : undefined;
        if (typeof text === "string" && !PLAIN.test(text)) data[name] = NO_NUMBER;
      }
      const isGood = check(data);
      plain.errors = check.errors ?? null;
      return isGood === true;
    },
    { errors: check.errors ?? null },
  );
  return plain;
}

function numberNames(schema: TSchema): readonly string[] {
  // Schemas of queries and parameters are objects.
  const { properties = {} } = schema as { properties?: Readonly<Record<string, { readonly type?: unknown }>> };
  return Object.entries(properties).flatMap(([name, { type }]) => (type === "integer" ? [name] : []));
}

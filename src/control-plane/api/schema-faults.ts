/** What is wrong with a request that does not fit its schema, in words: where, and what would fit. Main thread, pure. */
import type { SchemaObject } from "ajv";
import { didYouMean } from "#config/suggest.ts";

/** As Ajv says it, with `verbose`. */
interface Fault {
  readonly keyword: string;
  readonly instancePath: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly message?: string | undefined;
  readonly parentSchema?: SchemaObject | undefined;
}

export interface SchemaFault {
  /** As `body/limits/rates/0`: the member itself, one that is missing or not known too. */
  readonly path: string;
  /** The last part of `path` that the schema knows. */
  readonly known: string;
  readonly detail: string;
}

/** Clients name members as they like. */
const NAME_LENGTH_MAX = 100;

/** `context` is `body`, `querystring` or `params`; `faults` are those of one value, of each alternative where there are several. */
export function schemaFault(context: string, faults: readonly Fault[]): SchemaFault {
  const [fault, ...others] = deepest(faults);
  const known = `${context}${fault?.instancePath ?? ""}`;
  if (fault === undefined) return { path: known, known, detail: `${known} is not as it has to be` };
  const { params, parentSchema, keyword } = fault;
  if (keyword === "required" && typeof params.missingProperty === "string")
    return memberFault(known, params.missingProperty, "is missing");
  if (keyword === "additionalProperties" && typeof params.additionalProperty === "string")
    return memberFault(known, params.additionalProperty, unknownWords(params.additionalProperty, parentSchema));
  return { path: known, known, detail: `${known} ${[fault, ...others].map(words).join(" or ")}` };
}

/** Of several alternatives the one that fits furthest is meant: those that say nothing of a place so deep are left out. */
function deepest(faults: readonly Fault[]): readonly Fault[] {
  const each = faults.filter(({ keyword }) => keyword !== "anyOf");
  const depth = Math.max(...each.map(({ instancePath }) => instancePath.split("/").length));
  const deep = each.filter(({ instancePath }) => instancePath.split("/").length === depth);
  // `null` may be left out of where there is something better to say.
  const said = deep.filter(({ params }) => params.type !== "null");
  const members = said.filter(({ keyword }) => keyword === "additionalProperties" || keyword === "required");
  if (members.length > 0) return members;
  return said.length > 0 ? said : deep;
}

function memberFault(known: string, name: string, what: string): SchemaFault {
  const path = `${known}/${name.slice(0, NAME_LENGTH_MAX).replaceAll("~", "~0").replaceAll("/", "~1")}`;
  return { path, known, detail: `${path} ${what}` };
}

function unknownWords(name: string, schema: SchemaObject | undefined): string {
  const names = Object.keys((schema?.properties ?? {}) as object);
  const hint = didYouMean(name.slice(0, NAME_LENGTH_MAX), names) ?? `known: ${names.join(", ") || "none"}`;
  return `is not known (${hint})`;
}

function words({ keyword, params, message }: Fault): string {
  if (keyword === "enum" && Array.isArray(params.allowedValues))
    return `must be one of ${params.allowedValues.map((value) => JSON.stringify(value)).join(", ")}`;
  return message ?? "is not as it has to be";
}

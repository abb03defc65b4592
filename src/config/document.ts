/** `docs/configuration.md`: a hand-written head, then a table a section from the schema's descriptions. Pure. */
import { DOCUMENT_HEAD } from "./document-head.ts";
import { GatewayFile } from "./schema.ts";
import { type SchemaNode, schemaWords } from "./schema-words.ts";

/** The whole page, with a line end. */
export function configurationPage(): string {
  // GatewayFile is JSON Schema; SchemaNode lists the keywords it uses.
  const root = GatewayFile as unknown as SchemaNode;
  const sections = Object.entries(root.properties ?? {}).map(([key, schema]) =>
    sectionText(key, schema, root.required?.includes(key) === true),
  );
  return `${DOCUMENT_HEAD}\n${sections.join("\n")}`;
}

interface Row {
  readonly key: string;
  readonly type: string;
  readonly standard: string;
  readonly meaning: string;
}

function sectionText(key: string, schema: SchemaNode, isRequired: boolean): string {
  const rows = rowsBelow(key, schema);
  const intro = `${schema.description ?? ""}${isRequired ? " Required." : ""}`;
  const table = rows.length > 0 ? rows : [rowOf(key, schema, isRequired)];
  return [`### ${key}`, "", intro, "", ...tableLines(table.map(cellsOf)), ""].join("\n");
}

function cellsOf({ key, type, standard, meaning }: Row): readonly string[] {
  return [`\`${key}\``, type, standard, meaning].map((text) => text.replaceAll("|", "\\|"));
}

/** A Markdown table with columns of even width, as the formatter would write it. */
function tableLines(rows: readonly (readonly string[])[]): readonly string[] {
  const all = [["key", "type", "default", "meaning"], ...rows];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const [head = "", ...body] = all.map(
    (row) => `| ${row.map((text, column) => text.padEnd(widths[column] ?? 0)).join(" | ")} |`,
  );
  return [head, `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...body];
}

/** One row for each key below, depth first, in the order of the schema. */
function rowsBelow(key: string, schema: SchemaNode): readonly Row[] {
  const own = Object.entries(schema.properties ?? {}).flatMap(([name, part]) => {
    const path = `${key}.${name}`;
    return [rowOf(path, part, schema.required?.includes(name) === true), ...rowsBelow(path, part)];
  });
  const named = Object.values(schema.patternProperties ?? {}).flatMap((part) => entryRows(`${key}.<name>`, part));
  const items = schema.items === undefined ? [] : rowsBelow(`${key}[]`, schema.items);
  const branches = (schema.anyOf ?? []).flatMap((branch) => rowsBelow(key, branch));
  return [...own, ...named, ...items, ...branches];
}

/** An entry of a map of names has a row of its own only when nothing below it has one. */
function entryRows(key: string, schema: SchemaNode): readonly Row[] {
  const below = rowsBelow(key, schema);
  return below.length > 0 ? below : [rowOf(key, schema, false)];
}

function rowOf(key: string, schema: SchemaNode, isRequired: boolean): Row {
  const standard = schema.default === undefined ? "" : `\`${defaultText(schema.default)}\``;
  return {
    key,
    type: typeText(schema),
    standard: isRequired ? "required" : standard,
    meaning: schema.description ?? "",
  };
}

function defaultText(value: unknown): string {
  return Array.isArray(value) ? `[${value.join(", ")}]` : String(value);
}

/** The type in few words: what examples and rules a fault message adds is left out. */
function typeText(schema: SchemaNode): string {
  if (schema.type === "array") return `list of: ${typeText(schema.items ?? {})}`;
  if (schema.anyOf !== undefined) return [...new Set(schema.anyOf.map(typeText))].join(", or ");
  const words = schemaWords(schema).replace(/^(a|an) /, "");
  return words.replace(/ such as .*| of letters, .*|, such as .*/, "").replaceAll('"', "`");
}

/**
 * The values that stand where the file is silent. Read from the schema's `default`s, so that documentation and
 * behaviour are one. Pure.
 */
import { GatewayFile } from "./schema.ts";
import type { SchemaNode } from "./schema-words.ts";

const server = section("server");

/** Defaults that more than one file needs. */
export const STANDARD = {
  listen: text(server, "listen"),
  admin: text(server, "admin"),
  prefix: text(server, "prefix"),
  localIssuer: "tollgate:local",
} as const;

/** The schema of a top-level key. */
function section(name: string): SchemaNode {
  // GatewayFile is JSON Schema; SchemaNode lists the keywords it uses.
  return (GatewayFile as unknown as SchemaNode).properties?.[name] ?? {};
}

function text(schema: SchemaNode, key: string): string {
  const value = schema.properties?.[key]?.default;
  if (typeof value !== "string") throw new Error(`Schema key ${key} has no default text`);
  return value;
}

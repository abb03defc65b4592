/** `tollgate secrets list|rotate`: the keys that secrets of the store are sealed with. */
import type { Command } from "commander";
import { withAdmin } from "./admin-client.ts";
import { type CommonOptions, print, table, withCommonOptions } from "./context.ts";

type Json = Readonly<Record<string, unknown>>;

export function addSecrets(program: Command): void {
  const secrets = program.command("secrets").description("Keys that secrets of the store are sealed with");
  withCommonOptions(secrets.command("list").description("Ids of the keys, and how many secrets each seals")).action(
    list,
  );
  withCommonOptions(
    secrets
      .command("rotate")
      .description("Seal every secret anew: with a new key, or with the first of store.sealingKeys"),
  ).action(rotate);
}

async function list(options: CommonOptions): Promise<void> {
  const answer = await withAdmin(options, (admin) => admin.call("GET", "/admin/secrets"));
  // The admin API's list of keys.
  const rows = (answer.data as readonly Json[]).map(({ id, seals, present, values }) => [
    String(id),
    String(values),
    present === false ? "missing" : seals === true ? "seals" : "",
  ]);
  print(options, answer, table([["KEY", "SECRETS", "STATE"], ...rows]));
}

async function rotate(options: CommonOptions): Promise<void> {
  const made = await withAdmin(options, (admin) => admin.call("POST", "/admin/secrets/rotate"));
  const dropped = made.dropped as readonly string[]; // The admin API's list of ids.
  const unreadable = Number(made.unreadable);
  print(options, made, [
    `${String(made.resealed)} secrets are sealed with key ${String(made.sealing)}`,
    ...dropped.map((id) => `Key ${id} is not needed any more`),
    ...(unreadable === 0
      ? []
      : [`${unreadable} secrets cannot be opened: their key is missing (tollgate secrets list)`]),
  ]);
}

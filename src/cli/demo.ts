/**
 * `start --demo`: the demo upstream, a first account and key, and three lines to try. Main thread.
 * The demo's key is kept in the data folder, so that the printed lines work after a restart; no other key ever is.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UNNARROWED } from "#shared/principals.ts";
import type { Settings } from "#config/settings.ts";
import type { Gateway } from "#control-plane/gateway.ts";

const ACCOUNT = "demo";
const ROLE = "Developer";

/** The demo account's key, made when there is none that works. */
export async function demoKey(gateway: Gateway): Promise<string> {
  const { accounts, keys, settings } = gateway.foundation.services;
  const { store, identity } = settings();
  const file = join(store.dataDir, "demo-key");
  const kept = readKept(file);
  const known = kept === null ? null : await keys.bySecret(kept);
  if (kept !== null && known !== null && !known.revoked) return kept;
  const account = await accounts.getOrCreate(ACCOUNT);
  if (account === null) throw new Error("The demo account cannot be made");
  const roles = Object.hasOwn(settings().roles, ROLE) ? [ROLE] : [];
  const made = await keys.create(identity.keys.format, {
    accountId: account.id,
    name: "demo",
    env: identity.keys.environments.includes("test") ? "test" : (identity.keys.environments[0] ?? "live"),
    roles,
    scopes: null,
    limits: null,
    narrowing: UNNARROWED,
    expiresAtMs: null,
  });
  writeFileSync(file, made.secret, { mode: 0o600 });
  return made.secret;
}

function readKept(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return null;
  }
}

/** What the terminal shows: three lines to copy. With another file than the demo's, whose routes are not known, only the key. */
export function demoText(listen: string, settings: Settings, key: string): string {
  const auth = `-H 'Authorization: Bearer ${key}'`;
  const origin = `${settings.server.tls === null ? "http" : "https"}://${listen}`;
  const usage = [
    "  # shows what has been used",
    `  curl -s ${auth} ${origin}${settings.server.prefix}/billing/usage`,
    "",
    "",
  ];
  const isDemoFile = ["models.read", "models.delete"].every((name) =>
    settings.routes.some((route) => route.name === name),
  );
  if (!isDemoFile) return ["", `Tollgate is up on ${origin}. The demo account's key: ${key}`, "", ...usage].join("\n");
  return [
    "",
    "Tollgate is up. Try these:",
    "",
    "  # passes, and costs one of the free plan's 100 calls a month",
    `  curl -i ${auth} ${origin}/models/llama`,
    "",
    "  # is refused: the key's role may not delete models",
    `  curl -i -X DELETE ${auth} ${origin}/models/llama`,
    "",
    ...usage,
  ].join("\n");
}

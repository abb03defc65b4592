/**
 * K10: every kind of secret the gateway is given or makes, used in good and in bad requests, is in none of its outputs: not in the log
 * at its most talkative, metrics, refusals, lists, the audit log, events, documents, the command line, nor in any file of the data folder.
 */
import { hash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { startJwks } from "#test/support/jwks.ts";
import { makeKey, signToken } from "#test/support/jwt.ts";
import { rawExchange, requestHead } from "#test/support/raw.ts";
import { ADMIN_TOKEN, askJson, type Scene, startScene, text } from "#test/support/scene.ts";
import type { LoneRow } from "./runner.ts";

const FOREIGN = "other_sk_0123456789abcdefghijklmnopqrstuv";
const CREDENTIAL = "Bearer upstream-canary-5c1f0b7a9d";
/** Good in form, and nobody's. */
const STRANGER = "tg_sk_live_Canary0123456789abcdefghijklmnopqrstu";
/** What holds secrets by its purpose, for its owner's eyes alone. */
const KEY_FILES = new Set(["pepper", "local-issuer.pem", "sealing-keys"]);

export const CANARIES: readonly LoneRow[] = [
  {
    id: "K10",
    class: "config",
    name: "secrets of every kind are in no log, metric, refusal, list, audit entry or file",
    timeoutMs: 60_000,
    proof: lookEverywhere,
  },
];

async function lookEverywhere(): Promise<void> {
  const signer = makeKey("ES256");
  await using jwks = await startJwks(signer);
  await using scene = await startScene({
    config: {
      roles: { Admin: ["*", "tollgate:members:*"], User: [] },
      identity: {
        issuers: [{ name: "own", issuer: "own", jwks: jwks.url, audiences: ["api"], claims: { roles: "roles" } }],
        keys: {
          storage: "retrievable",
          foreign: [{ prefix: "other_sk_", alphabet: "base62", length: FOREIGN.length - "other_sk_".length }],
        },
      },
    },
    gateway: { args: ["--log-level", "trace"] },
  });
  const token = signToken(signer, { claims: { iss: "own", aud: "api", sub: "owner", roles: ["Admin"] } });
  const secrets = { ...(await makeAll(scene, token)), token, stranger: STRANGER, admin: ADMIN_TOKEN, foreign: FOREIGN };
  await misuse(scene, Object.values(secrets));
  const outputs = await outputsOf(scene);
  for (const [kind, secret] of Object.entries(secrets))
    for (const [where, output] of Object.entries(outputs))
      expect(output.includes(secret), `${kind} in ${where}`).toBe(false);
  // The search finds what is there.
  for (const where of ["GET /admin/keys", "tollgate keys list", "tollgate.db"])
    expect(outputs[where]).toContain(secrets.rotated.slice(-4));
  expect(outputs["the log"]).toContain("credentials_invalid");
}

/** Makes and uses one of each kind. */
async function makeAll({ gateway, operator }: Scene, token: string) {
  const made = await operator.key();
  const rotated = text((await operator.call("POST", `/admin/keys/${made.id}/rotate`, { overlap: "1h" })).body, "key");
  const hashed = { kind: "sha256", digest: hash("sha256", FOREIGN) };
  const imported = { account: made.account, roles: ["Admin"], hash: hashed };
  expect((await operator.call("POST", "/admin/keys/import", imported)).status).toBe(201);
  const path = `/admin/accounts/${made.account}/upstream-credentials/app/authorization`;
  expect((await operator.call("PUT", path, { value: CREDENTIAL })).status).toBeLessThan(300);
  const own = `${gateway.url}/_tollgate`;
  const invited = await askJson(`${own}/invitations`, { method: "POST", bearer: token, body: { roles: ["User"] } });
  expect(invited.status).toBe(201);
  for (const bearer of [made.secret, rotated, FOREIGN, token])
    expect((await askJson(`${gateway.url}/x`, { bearer })).status).toBe(200);
  const revealed = await operator.call("POST", `/admin/keys/${made.id}/reveal`);
  expect(revealed.body.key).toBe(rotated);
  return { secret: made.secret, rotated, invitation: text(invited.body, "token"), credential: CREDENTIAL };
}

/** Requests that go wrong with a secret in them, in every place a client may put one by mistake. */
async function misuse({ gateway, operator }: Scene, secrets: readonly string[]): Promise<void> {
  for (const secret of secrets) {
    const lines = [
      requestHead("GET", "/_tollgate/auth/me", [`Authorization: Bearer ${secret}x`]),
      requestHead("GET", "/x", [`Authorization: Basic ${secret}`]),
      requestHead("GET", "/x", [`X-Api-Key: ${secret}`, `Authorization: Bearer ${secret}`]),
      requestHead("GET", `/x?api_key=${encodeURIComponent(secret)}`, []),
      requestHead("GET", "/x", [`Cookie: session=${secret}`, `Content-Length: ${secret}`]),
      requestHead("POST", "/_tollgate/api-keys", [`Authorization: Bearer ${secret}`, "Content-Length: 1", "X: \u0001"]),
    ];
    for (const line of lines) await rawExchange(gateway.port, line, { responses: 1, idleMs: 2000 });
    for (const path of ["/admin/keys/lookup", "/admin/users", "/admin/accounts"])
      await operator.call("POST", path, { key: secret, [secret]: true });
    await operator.call("POST", "/admin/keys", { account: secret, roles: [secret] });
    await operator.call("PUT", "/admin/accounts/acct_none/spend-cap", { units: { [secret]: 1 } });
    await askJson(`${gateway.adminUrl}/admin/accounts?search=${encodeURIComponent(secret)}&x=1`, { bearer: secret });
    await gateway.cli("explain", "GET", "/x", "--key", secret);
  }
}

/** All there is to read, by where it is. */
async function outputsOf({ gateway, operator }: Scene): Promise<Readonly<Record<string, string>>> {
  const outputs: Record<string, string> = {};
  const lists = ["accounts", "keys", "users", "audit?limit=1000", "events?limit=1000", "usage", "secrets", "key-sets"];
  for (const list of lists)
    outputs[`GET /admin/${list}`] = JSON.stringify((await operator.call("GET", `/admin/${list}`)).body);
  for (const path of ["/metrics", "/openapi.json", "/docs"]) {
    const answer = await fetch(`${gateway.adminUrl}${path}`, { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } });
    outputs[path] = await answer.text();
  }
  for (const command of [["check"], ["routes"], ["keys", "list"], ["audit"]]) {
    const { stdout, stderr } = await gateway.cli(...command, "--json");
    outputs[`tollgate ${command.join(" ")}`] = stdout + stderr;
  }
  await gateway.stop();
  const data = join(gateway.dir, "data");
  for (const name of readdirSync(data, { recursive: true, encoding: "utf8" }))
    if (!KEY_FILES.has(name)) outputs[name] = textOf(join(data, name));
  outputs["the log"] = gateway.output();
  return outputs;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    // A folder, or the socket of a process that has ended.
    return "";
  }
}

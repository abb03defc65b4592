/**
 * Every command, while the gateway runs and when it does not: what it prints, as JSON too, and how it exits. With TOLLGATE_LONG=1 (CI) all of
 * it in both cases, otherwise each command in one of them: every one is a process of its own.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { type CliResult, runCli } from "#test/support/cli.ts";
import { rows, sceneConfig, startScene, text } from "#test/support/scene.ts";

const config = {
  identity: {
    issuers: [{ name: "local", preset: "local", audiences: ["api"], claims: { account: "project", roles: "roles" } }],
  },
  plans: { free: { default: true, quotas: { api_calls: { limit: 2, per: "month" } } }, pro: {} },
  routes: [
    {
      name: "read",
      match: { path: "/models/{id}", methods: ["GET"] },
      upstream: "app",
      meters: { api_calls: 1 },
      require: { permissions: ["models:read"] },
    },
    {
      name: "delete",
      match: { path: "/models/{id}", methods: ["DELETE"] },
      upstream: "app",
      require: { permissions: ["models:delete"] },
    },
  ],
};
const scene = await startScene({ config });
const idleDir = mkdtempSync(join(tmpdir(), "tollgate-cli-"));
const idleFile = join(idleDir, "gateway.yaml");
writeFileSync(idleFile, stringify({ version: 1, ...sceneConfig("http://127.0.0.1:9"), ...config }));

afterAll(async () => {
  await scene[Symbol.asyncDispose]();
  rmSync(idleDir, { recursive: true, force: true });
});

const LONG = process.env.TOLLGATE_LONG === "1";
const PLACES = [
  ["while the gateway runs", scene.gateway.file],
  ["without a gateway", idleFile],
] as const;

async function run(file: string, ...args: readonly string[]): Promise<CliResult> {
  return await runCli([...args, "-c", file]);
}

/** Runs with `--json`, which must work. */
async function json(file: string, ...args: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
  const result = await run(file, ...args, "--json");
  expect([args, result.code, result.stderr]).toEqual([args, 0, ""]);
  return result.json();
}

describe.each(LONG ? PLACES : PLACES.slice(0, 1))("%s", (place, file) => {
  test("accounts are made, listed, shown, given a plan, suspended and activated", async () => {
    const made = await json(file, "accounts", "create", "--name", "Acme", "--plan", "pro", "--external-id", "proj-1");
    expect(made).toMatchObject({
      id: expect.stringMatching(/^acct_/),
      externalId: "proj-1",
      name: "Acme",
      state: "active",
      plan: "pro",
    });
    const id = text(made, "id");
    expect(rows(await json(file, "accounts", "list"), "data")).toContainEqual(made);
    expect(await json(file, "accounts", "show", "proj-1")).toMatchObject({
      id,
      usage: [{ meter: "api_calls", used: 0, limit: null }],
    });
    expect(await json(file, "accounts", "set-plan", id, "free")).toEqual({ ...made, plan: "free" });
    expect(await json(file, "accounts", "suspend", id)).toMatchObject({ id, state: "suspended" });
    expect(await json(file, "accounts", "activate", "proj-1")).toMatchObject({ id, state: "active" });
    const again = await run(file, "accounts", "create", "--name", "Other", "--external-id", "proj-1");
    expect([again.code, again.stdout, again.stderr]).toEqual([1, "", expect.stringContaining("proj-1")]);
  });

  test("a token of the local issuer is signed, and explain tells what a request with it would meet", async () => {
    const { token, expiresInSeconds } = await json(
      file,
      "token",
      "--account",
      "proj-token",
      "--role",
      "User",
      "--expires",
      "10m",
    );
    expect(expiresInSeconds).toBe(600);
    expect(await json(file, "explain", "GET", "/models/a", "--token", String(token))).toMatchObject({
      route: "read",
      answer: { status: null },
    });
    expect(await json(file, "explain", "DELETE", "/models/a", "--token", String(token))).toMatchObject({
      route: "delete",
      answer: { status: 403, code: "permission_denied" },
    });
    expect(await json(file, "explain", "GET", "/models/a")).toMatchObject({
      route: "read",
      answer: { status: 401, code: "credentials_missing" },
    });
    if (place !== "while the gateway runs") return;
    const answer = await fetch(`${scene.gateway.url}/models/a`, {
      headers: { authorization: `Bearer ${String(token)}` },
    });
    expect(answer.status).toBe(200);
    expect(rows(await json(file, "usage", "--account", "proj-token"), "data")).toMatchObject([
      { route: "read", meter: "api_calls", units: 1, requests: 1, key: null },
    ]);
  });

  test("usage lists the ledger, and refuses a time that is none", async () => {
    expect(await json(file, "usage")).toMatchObject({ data: expect.any(Array), truncated: false });
    expect(await run(file, "usage", "--from", "yesterday")).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringContaining("yesterday"),
    });
  });

  test.each([
    ["accounts show acct_none", "acct_none"],
    ["accounts create --name A --plan gold", "gold"],
    ["keys revoke key_none", "key_none"],
  ])("%s is a fault: exit 1 and one clear line", async (command, named) => {
    const result = await run(file, ...command.split(" "));
    expect([result.code, result.stdout]).toEqual([1, ""]);
    expect(result.stderr).toMatch(/^Error: .+\n$/);
    expect(result.stderr).toContain(named);
  });
});

test.each(LONG ? PLACES : PLACES.slice(1))(
  "%s, keys are made with their secret, listed without it, and revoked",
  async (_place, file) => {
    const account = text(await json(file, "accounts", "create", "--name", "Keys"), "id");
    const made = await json(
      file,
      "keys",
      "create",
      "--account",
      account,
      "--role",
      "User",
      "--role",
      "Admin",
      "--scope",
      "a",
      "--env",
      "dev",
      "--expires",
      "30d",
      "--name",
      "ci",
    );
    expect(made).toMatchObject({
      id: expect.stringMatching(/^key_/),
      account,
      name: "ci",
      env: "dev",
      roles: ["User", "Admin"],
      scopes: ["a"],
      key: expect.stringMatching(/^tg_sk_dev_/),
    });
    const { key, ...shown } = made;
    expect(await json(file, "keys", "list", "--account", account)).toEqual({ data: [shown], nextCursor: null });
    const explained = await json(file, "explain", "GET", "/models/a", "--key", String(key));
    expect(explained).toMatchObject({ route: "read", answer: { status: null, code: null } });
    expect(await json(file, "keys", "revoke", text(made, "id"))).toMatchObject({
      id: made.id,
      revokedAt: expect.any(String),
    });
    expect(await json(file, "explain", "GET", "/models/a", "--key", String(key))).toMatchObject({
      answer: { status: 401, code: "key_revoked" },
    });
  },
);

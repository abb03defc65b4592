/**
 * Bringing a store up to date, killed right before any statement that writes: what is left is the store of before or the one
 * of after, and the next start opens it. From nothing, from the store of version 0.1, and from the one before users and members. And a
 * store of a newer version.
 */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import SQLite from "better-sqlite3";
import { expect } from "vitest";
import { openDatabase } from "#control-plane/store/database.ts";
import { runCli } from "#test/support/cli.ts";
import { startGateway } from "#test/support/process.ts";
import { type Random, seededRandom } from "#test/support/random.ts";
import { ADMIN_TOKEN, askJson, operatorOf, rows } from "#test/support/scene.ts";

const CHILD = join(import.meta.dirname, "migrate-child.ts");
/** As `src/main.ts` keeps it: a child is not to compile everything anew. */
const COMPILED = join(import.meta.dirname, "..", "..", "node_modules", ".cache", "tollgate");
const VERSION_1 = readFileSync(join(import.meta.dirname, "store-0001.sql"), "utf8");
/** Accounts "first" and "second" (suspended); "first" has two keys, of which one is revoked. */
const VERSION_3 = readFileSync(join(import.meta.dirname, "store-0003.sql"), "utf8");
const PEPPER_3 = "QD6swJy74zZ0iBcN5yf-6shA7SpVmPGsmSFnQ28ZBPY";
const KEYS_3 = {
  good: "tg_sk_live_TfK2zJLkA4ubV66hcLhSHryYlcKtxvjO2Lb4lu",
  revoked: "tg_sk_live_uho6pG03gcFs2vMrXySSlUYsBk4iRmYn2QAYqH",
} as const;
/** Before the usage of version 0.1's store, and how much it is. */
const SINCE = "2026-10-31T00:00:00Z";
const UNITS = 123;

/** A folder with a gateway.yaml and a store in its data folder. */
class Place implements Disposable {
  readonly dir = mkdtempSync(join(tmpdir(), "tollgate-migration-"));
  readonly file = join(this.dir, "data", "tollgate.db");

  /** `sql`: what makes the store; empty: an empty file. */
  constructor(sql: string) {
    mkdirSync(join(this.dir, "data"), { mode: 0o700 });
    writeFileSync(
      join(this.dir, "gateway.yaml"),
      "version: 1\nupstreams: {}\nroutes: []\nmeters: { calls: {} }\nplans: { free: { default: true } }\n",
    );
    this.sql(sql);
  }

  sql(text: string): void {
    const db = new SQLite(this.file);
    try {
      db.exec(text);
    } finally {
      db.close();
    }
  }

  /** All objects of the schema, and the steps taken. */
  schema(): unknown {
    const db = new SQLite(this.file);
    try {
      const objects = db.prepare<[], { name: string }>("SELECT name, sql FROM sqlite_schema ORDER BY name").all();
      const hasSteps = objects.some(({ name }) => name === "kysely_migration");
      const steps = hasSteps ? db.prepare("SELECT name FROM kysely_migration ORDER BY name").pluck().all() : [];
      return { objects, steps };
    } finally {
      db.close();
    }
  }

  usage() {
    return runCli(["usage", "--json", "--from", SINCE, "-c", join(this.dir, "gateway.yaml")], { cwd: this.dir });
  }

  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Opens the store in a process that is killed before its `last`th statement that writes; 0: never. Returns how many there were. */
async function openAndDie(place: Place, last: number): Promise<number | "killed"> {
  const env = { ...process.env, NODE_COMPILE_CACHE: COMPILED };
  const args = [CHILD, place.file, String(last)];
  const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => (output += part));
  const signal = await new Promise<string | null>((resolve) => child.on("close", (_code, name) => resolve(name)));
  if (signal === "SIGKILL") return "killed";
  if (output === "") throw new Error(`The store could not be opened, asked to die before statement ${last}`);
  return Number(output);
}

async function open(place: Place): Promise<void> {
  const db = await openDatabase(place.file);
  await db.destroy();
}

/** `kills`: at so many of the statements, the last one always; more than there are: at each. */
export async function killMigration(kills: number): Promise<void> {
  const random = seededRandom("migration killed");
  for (const sql of ["", VERSION_1, VERSION_3]) {
    using whole = new Place(sql);
    const before = whole.schema();
    const count = Number(await openAndDie(whole, 0));
    const states = [before, whole.schema()] as const;
    const [one = 0, ...others] = pick(random, count, kills);
    using last = new Place(sql);
    await killOnce(last, one, states);
    await expectUsage(last, sql === VERSION_1 ? UNITS : 0);
    for (const statement of others) {
      using place = new Place(sql);
      await killOnce(place, statement, states);
    }
  }
}

function pick(random: Random, count: number, kills: number): readonly number[] {
  const all = Array.from({ length: count }, (_, index) => index + 1);
  while (all.length > kills) all.splice(random.between(0, all.length - 2), 1);
  return all;
}

async function killOnce(place: Place, last: number, [before, after]: readonly [unknown, unknown]): Promise<void> {
  expect(await openAndDie(place, last)).toBe("killed");
  expect([before, after], `killed before statement ${last}`).toContainEqual(place.schema());
  await open(place);
  expect(place.schema()).toEqual(after);
}

async function expectUsage(place: Place, units: number): Promise<void> {
  const answer = (await place.usage()).json();
  expect(rows(answer, "data").reduce((sum, row) => sum + Number(row.units), 0)).toBe(units);
}

/** The gateway of now on that store: keys work as they did, the audit log's chain holds, and it goes on. */
export async function startOnOld(): Promise<void> {
  using place = new Place(VERSION_3);
  writeFileSync(join(place.dir, "data", "pepper"), PEPPER_3, { mode: 0o600 });
  await using gateway = await startGateway(
    {
      server: { adminToken: ADMIN_TOKEN },
      roles: { User: ["*"] },
      plans: { free: { default: true }, pro: {} },
      upstreams: {},
      routes: [],
    },
    { dir: place.dir },
  );
  const operator = operatorOf(gateway);
  const me = (secret: string) => askJson(`${gateway.url}/_tollgate/auth/me`, { bearer: secret });
  expect(await me(KEYS_3.good)).toMatchObject({
    status: 200,
    body: { account: { externalId: "first" }, roles: ["User"] },
  });
  expect(await me(KEYS_3.revoked)).toMatchObject({ status: 401, body: { error: "key_revoked" } });
  expect((await operator.call("GET", "/admin/accounts/first")).body).toMatchObject({ state: "active", plan: "pro" });
  expect((await operator.call("GET", "/admin/accounts/second")).body).toMatchObject({ state: "suspended", plan: null });
  const { body } = await operator.call("GET", "/admin/keys?account=first");
  const keys = rows(body, "data").map(({ enabled, limits, state }) => ({ enabled, limits, state }));
  expect(keys).toEqual(["active", "revoked"].map((state) => ({ enabled: true, limits: null, state })));
  expect((await operator.call("POST", "/admin/accounts/second/activate")).status).toBe(200);
  expect((await operator.call("GET", "/admin/audit/verify")).body).toMatchObject({ entries: 8, faults: [] });
}

/** As after a downgrade: refused by name and reason, and left as it is. */
export async function openNewer(): Promise<void> {
  using place = new Place("");
  await open(place);
  place.sql(`INSERT INTO kysely_migration VALUES ('9999-future', '2099-01-01T00:00:00.000Z');
    CREATE TABLE future (x TEXT) STRICT`);
  const before = place.schema();
  const { code, stdout, stderr } = await place.usage();
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toContain(place.file);
  expect(stderr).toContain("newer version of Tollgate (its schema has step 9999-future)");
  expect(place.schema()).toEqual(before);
}

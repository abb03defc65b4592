/**
 * Who gets what: every endpoint × everybody → status, beside the table that is golden (`golden-matrix.md`). Each cell is one real
 * request, about what the endpoint's call (`operation-calls.ts`) has made in the boss's account. A new endpoint fails until its row
 * is there; `--update` behind the file's name writes the table anew, and the rules below say what no table may have.
 */
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { isAdminOperation } from "#config/admin-routes.ts";
import type { Endpoint } from "#test/support/contract.ts";
import { ADMIN_TOKEN } from "#test/support/scene.ts";
import { until } from "#test/support/until.ts";
import type { Call } from "./operation-calls.ts";
import { ask, CALLS, type Listener, type ROLES, startOperationWorld } from "./operation-world.ts";

const world = await startOperationWorld();
const { scene, jwks, own } = world;
const { operator } = scene;

afterAll(() => world[Symbol.asyncDispose]());

/** Tokens and a key of one kind of person; null where there is none. */
interface Caller {
  /** Of a new user each time: some endpoints end the sessions of who calls. */
  readonly token: () => string | null;
  readonly key: string | null;
}

interface Person {
  readonly org: string;
  readonly role: keyof typeof ROLES;
  /** Seconds from now; left out, long. */
  readonly expires?: number;
}

async function caller(name: string, { org, role, expires }: Person): Promise<Caller> {
  const exp = expires === undefined ? {} : { exp: Math.floor(Date.now() / 1000) + expires };
  let number = 0;
  const token = () => jwks.token({ claims: { aud: "api", sub: `${name}-${++number}`, org, roles: [role], ...exp } });
  const wish = { account: org, roles: [role], ...(expires === undefined ? {} : { expires: "1s" }) };
  return { token, key: (await operator.key(wish)).secret };
}

const there = { org: "boss-org" };
await operator.account({ externalId: "other-org" });
const suspended = await operator.account({ externalId: "suspended-org" });
const COLUMNS: Readonly<Record<string, Caller>> = {
  nobody: { token: () => null, key: null },
  user: await caller("ulla", { ...there, role: "User" }),
  "another account": await caller("otto", { org: "other-org", role: "Owner" }),
  viewer: await caller("vera", { ...there, role: "Viewer" }),
  developer: await caller("dora", { ...there, role: "Developer" }),
  admin: await caller("adam", { ...there, role: "Admin" }),
  superadmin: await caller("sue", { ...there, role: "Superadmin" }),
  expired: await caller("eva", { ...there, role: "Superadmin", expires: -3600 }),
  operator: { token: () => ADMIN_TOKEN, key: ADMIN_TOKEN },
  suspended: await caller("sam", { org: "suspended-org", role: "Superadmin" }),
};
await operator.call("PATCH", `/admin/accounts/${suspended}`, { state: "suspended" });
await until(
  "the expired key is",
  async () => (await own("GET", "/auth/me", undefined, COLUMNS.expired?.key ?? "")).status === 401,
);

interface Row {
  readonly listener: string;
  readonly endpoint: Endpoint;
  /** Statuses by column, by token and by key. */
  readonly cells: Readonly<Record<string, readonly [token: number, key: number]>>;
}

async function rowOf(at: Listener, endpoint: Endpoint): Promise<Row> {
  const cells: Record<string, readonly [number, number]> = {};
  const statusFor = asking(at, endpoint);
  for (const [column, { token, key }] of Object.entries(COLUMNS))
    cells[column] = [await statusFor(token()), await statusFor(key)];
  return { listener: at.name, endpoint, cells };
}

/**
 * The status for a bearer. What the request is about is made anew once somebody was let do it: a refusal leaves it as it was, or the
 * next cell is wrong. What is answered has to be documented.
 */
function asking(at: Listener, endpoint: Endpoint): (bearer: string | null) => Promise<number> {
  let call: Call | undefined;
  return async (bearer) => {
    call ??= (await CALLS[endpoint.operation.operationId]?.(world))?.[0];
    if (call === undefined) throw new Error(`No call of ${endpoint.operation.operationId}`);
    const answer = await ask(at, endpoint, call, bearer);
    expect({ answer, faults: at.contract.faultsOf(endpoint, answer) }).toEqual({ answer, faults: [] });
    if (answer.status < 400) call = undefined;
    return answer.status;
  };
}

const rows: Row[] = [];
for (const at of world.listeners) for (const endpoint of at.contract.endpoints) rows.push(await rowOf(at, endpoint));

function table(): string {
  const names = Object.keys(COLUMNS);
  const lines = rows.map(({ listener, endpoint: { method, path }, cells }) => [
    `${listener} ${method} ${path}`,
    ...Object.values(cells).map(([token, key]) => (token === key ? String(token) : `${token} / ${key}`)),
  ]);
  const all = [["endpoint", ...names], ...lines];
  const widths = ["", ...names].map((_, column) => Math.max(...all.map((line) => (line[column] ?? "").length)));
  const drawn = all.map((line) => `| ${line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`);
  const ruler = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`;
  return [HEAD, drawn[0], ruler, ...drawn.slice(1), ""].join("\n");
}

const HEAD = `# Who gets what

Status of every endpoint by who calls it: by a token, and by an API key where that is another. Roles are in \`operation-world.ts\`; things
with an id belong to the account of \`user\`. The operator has the admin token, which alone counts on the admin listener, and only there. Made by \`golden-matrix.test.ts\`.
`;

test("the table is the golden one", async () => {
  await expect(table()).toMatchFileSnapshot(join(import.meta.dirname, "golden-matrix.md"));
});

const OPEN = ["/health", "/ready", "/metrics", "/.well-known/jwks.json", "/openapi.json", "/docs"];

/** Rows for which the rule does not hold, shown by what they answer. */
function breaking(rule: (row: Row) => boolean): readonly string[] {
  return rows
    .filter((row) => !rule(row))
    .map(({ listener, endpoint: { method, path }, cells }) => `${listener} ${method} ${path} ${JSON.stringify(cells)}`);
}

/** A key is no person: it has no sessions, accepts no invitation, and reads out no key but itself. */
const FOR_PEOPLE: Readonly<Record<string, number>> = {
  "/sessions": 200,
  // Of the caller alone: whoever else calls has no such thing.
  "/sessions/{id}": 404,
  "/api-keys/{id}/reveal": 200,
  // Those of the account are members already.
  "/invitations/accept": 409,
};
/** Whoever may report usage may for all accounts; the role here may not. */
const OF_ALL_ACCOUNTS = ["/usage/reservations/{id}/confirm", "/usage/reservations/{id}/release"];

const isOpen = ({ endpoint: { path } }: Row) => OPEN.includes(path);
const all = ({ cells }: Row, column: string, holds: (status: number) => boolean) => (cells[column] ?? []).every(holds);
const isFine = (status: number) => status < 300;
const isAdmin = ({ endpoint: { method, path } }: Row) => isAdminOperation(method, path);

test("nobody and who has expired get 401, the suspended 403, wherever it is not open", () => {
  for (const column of ["nobody", "expired"])
    expect(breaking((row) => isOpen(row) || all(row, column, (status) => status === 401))).toEqual([]);
  const refused = ({ listener }: Row) => (listener === "listen" ? 403 : 401);
  expect(breaking((row) => isOpen(row) || all(row, "suspended", (status) => status === refused(row)))).toEqual([]);
});

test("on the admin listener the admin token is worth everything and any other credential nothing; on listen it is worth nothing", () => {
  const onAdmin = (row: Row) => row.listener === "admin" && !isOpen(row);
  const customers = Object.keys(COLUMNS).filter((column) => column !== "operator");
  const refused = (row: Row) => customers.every((column) => all(row, column, (status) => status === 401));
  expect(breaking((row) => !onAdmin(row) || refused(row))).toEqual([]);
  expect(breaking((row) => !onAdmin(row) || all(row, "operator", isFine))).toEqual([]);
  expect(breaking((row) => onAdmin(row) || isOpen(row) || all(row, "operator", (status) => status === 401))).toEqual(
    [],
  );
});

test("a superadmin is refused nothing, a user no own endpoint but those with a permission", () => {
  const isTheirs = ({ listener, endpoint: { path } }: Row) => listener === "admin" || path in FOR_PEOPLE;
  expect(breaking((row) => isTheirs(row) || all(row, "superadmin", isFine))).toEqual([]);
  const needs = ({ endpoint }: Row) => endpoint.operation["x-tollgate-permission"] !== undefined;
  const asSaid = (row: Row) => all(row, "user", (status) => (needs(row) ? status === 403 : isFine(status)));
  expect(breaking((row) => isTheirs(row) || asSaid(row))).toEqual([]);
});

test("what is for people is so for every one of them, and refused to every key", () => {
  const people = ["user", "viewer", "developer", "admin", "superadmin"];
  const asSaid = ({ endpoint: { path }, cells }: Row) =>
    people.every((who) => {
      const [token, key] = cells[who] ?? [];
      return token === FOR_PEOPLE[path] && key === 403;
    });
  expect(breaking((row) => !(row.endpoint.path in FOR_PEOPLE) || asSaid(row))).toEqual([]);
});

test("a viewer reads everything for operators and changes nothing", () => {
  const asSaid = (row: Row) =>
    all(row, "viewer", (status) => (row.endpoint.method === "GET" ? status === 200 : status === 403));
  expect(breaking((row) => row.listener === "admin" || !isAdmin(row) || asSaid(row))).toEqual([]);
});

test("things of another account are not found: neither shown, nor refused in a way that says they are there", () => {
  // A key is no person: it is refused before anything is looked for.
  const own404 = (row: Row) =>
    all(
      row,
      "another account",
      (status) => status === 404 || (status === 403 && row.endpoint.path === "/sessions/{id}"),
    );
  const isTold = (row: Row) =>
    row.listener === "listen" &&
    row.endpoint.path.includes("{") &&
    !isAdmin(row) &&
    !OF_ALL_ACCOUNTS.includes(row.endpoint.path);
  expect(breaking((row) => !isTold(row) || own404(row))).toEqual([]);
});

/** K11: lists of the admin API are bounded whatever is asked, orders are those there are, and filters are values, never SQL. */
import { expect } from "vitest";
import { ADMIN_ROUTES } from "#config/admin-routes.ts";
import { answered, bearer, get } from "./expectations.ts";
import type { Case, Row } from "./runner.ts";
import { ADMIN_TOKEN } from "./world-config.ts";
import type { World } from "./world.ts";

/** Lists that are paged: every one there is, but for those that are short by their nature or of a kind this world has not. */
const LISTS = ADMIN_ROUTES.filter(
  ({ name, path }) =>
    /\.(list|ledger)$/.test(name) &&
    !path.includes("{kind}") &&
    !["secrets.list", "sessions.list", "upstream-credentials.list"].includes(name),
).map(({ path }) => path);

const HOSTILE = [
  "limit=1e9",
  "limit=1000000000",
  "limit=9007199254740993",
  "limit=0",
  "limit=-1",
  "limit=NaN",
  "limit=Infinity",
  "limit=0x10",
  "limit=1e1",
  "limit=%201",
  "limit=",
  "limit=10;DROP%20TABLE%20accounts",
  "limit[]=1&limit[]=2",
  "limit=1&limit=1000000000",
  "sort=__proto__",
  "sort=constructor",
  "sort=created_at%20DESC%2C(SELECT%201)",
  "order=id",
  "__proto__=1",
  "__proto__[limit]=1000000000",
  "constructor.prototype.limit=1000000000",
  `cursor=${"x".repeat(4000)}`,
];

/** What ends a text or a pattern in SQL, or says too much in one. */
const SQL = [
  "' OR '1'='1",
  "'; DROP TABLE accounts; --",
  '" OR ""="',
  "%",
  "x' UNION SELECT value, 1 FROM facts --",
  "\\",
  "*",
  "acct_' || (SELECT hash FROM api_keys) || '",
];

const FILTERS = [
  "/admin/accounts?search=",
  "/admin/accounts?plan=",
  "/admin/accounts?cursor=",
  "/admin/keys?account=",
  "/admin/audit?action=",
  "/admin/audit?actor=",
  "/admin/audit?target=",
  "/admin/audit?account=",
  "/admin/events?account=",
  "/admin/usage?account=",
  "/admin/users?search=",
  "/admin/accounts/",
  "/admin/keys/",
  "/admin/users/",
];

const mine = bearer(ADMIN_TOKEN);

export const ADMIN_LISTS: readonly Row[] = [
  {
    id: "K11",
    class: "admin",
    name: "no list gives more than its page, or an order that is none, whatever is asked",
    cases: ({ acme }) => LISTS.flatMap((path) => HOSTILE.map((query) => refusal(path, query, acme.id))),
  },
  {
    id: "K11",
    class: "admin",
    name: "SQL in a filter is a text that nothing has",
    story: async (world) => {
      for (const start of FILTERS) for (const text of SQL) await harmless(world, start, text);
      await stillThere(world);
    },
  },
];

function refusal(path: string, query: string, id: string): Case {
  const target = `${path.replace("{id}", id)}?${query}`;
  return {
    what: target.slice(0, 100),
    to: "admin",
    send: get(target, mine),
    expect: answered(400, { body: { lacks: ['"data":', "acme", "globex"] } }),
  };
}

/** An empty list, or a refusal: nobody's data, and no fault of the gateway. */
async function harmless({ gateway }: World, start: string, text: string): Promise<void> {
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
  const answer = await fetch(`${gateway.adminUrl}${start}${encodeURIComponent(text)}`, { headers });
  const body = await answer.text();
  const leaks = /globex|sqlite|syntax error|near "/i.test(body);
  const data = answer.status === 200 ? JSON.parse(body).data : [];
  expect({ asked: start + text, status: answer.status, leaks, data }).toEqual({
    asked: start + text,
    status: expect.toBeOneOf([200, 400, 404]),
    leaks: false,
    data: [],
  });
}

async function stillThere({ admin, acme, globex }: World): Promise<void> {
  expect(await admin.call("GET", "/admin/accounts")).toMatchObject({ data: [{ id: acme.id }, { id: globex.id }] });
  expect(await admin.call("GET", "/admin/accounts?search=acme")).toMatchObject({ data: [{ id: acme.id }] });
}

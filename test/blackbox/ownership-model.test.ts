/**
 * Owners of things against a list: whatever several accounts make, share, take back, delete and ask for, each request is answered as the
 * list says, by either of two workers, at once. And the races: nobody gets at a thing of which its maker has heard.
 */
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { ADMIN_TOKEN, askJson, startScene, text } from "#test/support/scene.ts";
import { newShelf } from "#test/support/shelf.ts";
import { type Connection, connectionToEach } from "#test/support/connection.ts";

const ACCOUNTS = 3;
const ROUNDS = 60;

const route = (name: string, path: string, methods: readonly string[], more: object) => ({
  name,
  match: { path, methods },
  upstream: "app",
  ...more,
});
const requires = (kind: string) => ({ require: { resource: { kind, id: "path.id" } } });

const shelf = newShelf();
const scene = await startScene({
  config: {
    server: { workers: 2, adminToken: ADMIN_TOKEN },
    roles: { Admin: ["*", "tollgate:resources:share"] },
    resources: { models: {}, secrets: { unknown: "deny" } },
    routes: [
      route("create", "/models", ["POST"], { learns: "models" }),
      route("model", "/models/{id}", ["GET", "PUT"], requires("models")),
      route("delete", "/models/{id}", ["DELETE"], { ...requires("models"), forgets: "models" }),
      route("create-secret", "/secrets", ["POST"], { learns: "secrets" }),
      route("secret", "/secrets/{id}", ["GET", "PUT"], requires("secrets")),
    ],
  },
  handler: shelf.handler,
});
const { gateway, operator } = scene;
afterAll(() => scene[Symbol.asyncDispose]());

const keys = await Promise.all(Array.from({ length: ACCOUNTS }, () => operator.key()));
const [ana, bob] = keys;
const connections = await connectionToEach(gateway, 2);
afterAll(() => {
  for (const connection of connections) connection[Symbol.dispose]();
});

/** What the list knows of a thing. */
interface Thing {
  readonly id: string;
  owner: number | null;
  readonly shares: Map<number, "read" | "write">;
  isThere: boolean;
}

type Step =
  | { readonly do: "make"; readonly who: number }
  | { readonly do: "ask"; readonly who: number; readonly method: "GET" | "PUT" | "DELETE"; readonly thing: number }
  | {
      readonly do: "share";
      readonly who: number;
      readonly thing: number;
      readonly to: number;
      readonly access: "read" | "write";
    }
  | { readonly do: "unshare"; readonly who: number; readonly thing: number; readonly to: number }
  | { readonly do: "give"; readonly thing: number; readonly to: number };

const anyOne = fc.nat({ max: ACCOUNTS - 1 });
const anyThing = fc.nat({ max: 4 });
const anyMethod = fc.constantFrom("GET" as const, "GET" as const, "PUT" as const, "DELETE" as const);
const anyAccess = fc.constantFrom("read" as const, "write" as const);
const what = <W extends Step["do"]>(word: W) => fc.constant(word);
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: what("make"), who: anyOne }) },
  { weight: 8, arbitrary: fc.record({ do: what("ask"), who: anyOne, method: anyMethod, thing: anyThing }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: what("share"), who: anyOne, thing: anyThing, to: anyOne, access: anyAccess }),
  },
  { weight: 2, arbitrary: fc.record({ do: what("unshare"), who: anyOne, thing: anyThing, to: anyOne }) },
  { weight: 1, arbitrary: fc.record({ do: what("give"), thing: anyThing, to: anyOne }) },
);

function mayAsk({ owner, shares }: Thing, who: number, method: string): boolean {
  // Nobody's: the app's own affair.
  if (owner === null || owner === who) return true;
  const access = shares.get(who);
  return access === "write" || (access === "read" && method === "GET");
}

/** What came of a step, and what the list says of it. */
interface Outcome {
  readonly seen: unknown;
  readonly wanted: unknown;
}

class World {
  readonly #things: Thing[] = [];

  async do(step: Step): Promise<Outcome> {
    if (step.do === "make") return this.#make(step.who);
    const thing = this.#things[step.thing % Math.max(1, this.#things.length)];
    if (thing === undefined) return { seen: "nothing", wanted: "nothing" };
    switch (step.do) {
      case "ask":
        return step.method === "DELETE" ? this.#delete(thing, step.who) : this.#ask(thing, step.who, step.method);
      case "share":
        return this.#share(thing, step.who, step.to, step.access);
      case "unshare":
        return this.#unshare(thing, step.who, step.to);
      case "give":
        return this.#give(thing, step.to);
    }
  }

  async #make(who: number): Promise<Outcome> {
    const { status, body } = await request(who, "POST", "/models");
    this.#things.push({ id: text(body, "id"), owner: who, shares: new Map(), isThere: true });
    return { seen: status, wanted: 201 };
  }

  async #ask(thing: Thing, who: number, method: string): Promise<Outcome> {
    const isServed = mayAsk(thing, who, method) && thing.isThere;
    return { seen: await byEach(who, method, `/models/${thing.id}`), wanted: [isServed ? 200 : 404] };
  }

  async #delete(thing: Thing, who: number): Promise<Outcome> {
    const may = mayAsk(thing, who, "DELETE");
    const { isThere, owner } = thing;
    const { status } = await request(who, "DELETE", `/models/${thing.id}`);
    // Gone by a 2xx; by the 404 of an app only for its owner.
    if (may && (isThere || owner === who)) {
      thing.owner = null;
      thing.shares.clear();
    }
    if (may) thing.isThere = false;
    return { seen: status, wanted: may && isThere ? 204 : 404 };
  }

  async #share(thing: Thing, who: number, to: number, access: "read" | "write"): Promise<Outcome> {
    const { status } = await request(who, "PUT", grantPath(thing, to), { access });
    if (status === 200) thing.shares.set(to, access);
    return { seen: status, wanted: thing.owner !== who ? 404 : to === who ? 400 : 200 };
  }

  async #unshare(thing: Thing, who: number, to: number): Promise<Outcome> {
    const wanted = thing.owner === who && thing.shares.has(to) ? 200 : 404;
    const { status } = await request(who, "DELETE", grantPath(thing, to));
    if (status === 200) thing.shares.delete(to);
    return { seen: status, wanted };
  }

  async #give(thing: Thing, to: number): Promise<Outcome> {
    const wanted = thing.owner === null ? 201 : 200;
    const { status } = await operator.call("PUT", `/admin/resources/models/${thing.id}`, { account: accountOf(to) });
    if (thing.owner !== to) thing.shares.clear();
    thing.owner = to;
    return { seen: status, wanted };
  }
}

function grantPath({ id }: Thing, to: number): string {
  return `/_tollgate/resources/models/${id}/grants/${accountOf(to)}`;
}

function accountOf(who: number): string {
  return keys[who]?.account ?? "";
}

function request(who: number, method: string, path: string, body?: unknown) {
  return askJson(gateway.url + path, { method, bearer: keys[who]?.secret ?? "", body });
}

/** The statuses that the workers answer with, each once. */
async function byEach(who: number, method: string, path: string): Promise<readonly number[]> {
  const ask = async (connection: Connection) => (await connection.ask(method, path, [keys[who]?.line ?? ""])).status;
  return [...new Set(await Promise.all(connections.map(ask)))];
}

test("whatever is made, shared and ended, each request is answered as the list says", async () => {
  let looked = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { minLength: 10, maxLength: 40 }), async (steps) => {
      const world = new World();
      for (const one of steps) {
        const { seen, wanted } = await world.do(one);
        expect({ one, seen }).toEqual({ one, seen: wanted });
        looked++;
      }
    }),
    { numRuns: 25 },
  );
  expect(looked).toBeGreaterThan(250);
}, 60_000);

/** Asks by both workers over and over, from before the thing is made; says what came of requests sent after `from`. */
function hammer(path: string, line: string) {
  const over = new AbortController();
  const seen: { readonly sentMs: number; readonly status: number }[] = [];
  const work = Promise.all(
    connections.map(async (connection) => {
      while (!over.signal.aborted) {
        const sentMs = performance.now();
        seen.push({ sentMs, status: (await connection.ask("GET", path, [line])).status });
      }
    }),
  );
  const end = async () => {
    over.abort();
    await work;
    return seen;
  };
  return { seen, end };
}

test.each(["models", "secrets"])(
  "once the maker of one of %s has heard of it, nobody else gets it, whatever they have asked before",
  async (kind) => {
    let asked = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const { next } = shelf;
      const other = hammer(`/${kind}/${next}`, bob?.line ?? "");
      const made = await askJson(`${gateway.url}/${kind}`, { method: "POST", bearer: ana?.secret ?? "", body: {} });
      const heardMs = performance.now();
      const mine = await Promise.all(
        Array.from({ length: 4 }, () => askJson(`${gateway.url}/${kind}/${next}`, { bearer: ana?.secret ?? "" })),
      );
      while (!other.seen.some(({ sentMs }) => sentMs > heardMs)) await new Promise(setImmediate);
      const seen = await other.end();
      expect([made.status, made.body.id, ...mine.map(({ status }) => status)]).toEqual([201, next, 200, 200, 200, 200]);
      const late = seen.filter(({ sentMs }) => sentMs > heardMs || kind === "secrets");
      expect(late.filter(({ status }) => status !== 404)).toEqual([]);
      asked += late.length;
    }
    expect(asked).toBeGreaterThanOrEqual(ROUNDS);
  },
  60_000,
);

test("where what is unknown is denied, another spelling of one's own id opens nothing", async () => {
  const seed = (id: string) => operator.call("PUT", `/admin/resources/secrets/${id}`, { account: ana?.account ?? "" });
  await seed("7");
  shelf.put("7");
  for (const id of ["7-of-another", "07", "7x"]) shelf.put(id);
  for (const [id, status] of [
    ["7", 200],
    ["7-of-another", 404],
    ["07", 404],
    ["7x", 404],
    ["8", 404],
  ] as const)
    expect([id, await byEach(0, "GET", `/secrets/${id}`)]).toEqual([id, [status]]);
  expect(await byEach(1, "GET", "/secrets/7")).toEqual([404]);
});

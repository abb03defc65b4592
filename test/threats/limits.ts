/** I07, I10, I12, I14: limits under attack: bursts, races, nothing but shared memory to decide by, replies by the book. */
import { expect } from "vitest";
import { openCrowd } from "#test/support/crowd.ts";
import { rawExchange, requestHead } from "#test/support/raw.ts";
import { ADMIN_TOKEN, askJson, type JsonAnswer, type MadeKey, type Scene, startScene } from "#test/support/scene.ts";
import { parseList } from "#test/support/structured-fields.ts";
import { until } from "#test/support/until.ts";
import type { UpstreamHandler } from "#test/support/upstream.ts";
import { Strace } from "../durability/strace.ts";
import type { LoneRow } from "./runner.ts";

const BURST = 100;
const PER_SECOND = 50;
const CONNECTIONS = 50;
const RACERS = 200;
const ENDLESS = { per: "lifetime" };

let shared: Promise<Scene> | null = null;

/** One gateway of four workers for the rows that leave nothing behind; made when the first of them runs. */
export const sharedScene = {
  get: (): Promise<Scene> => (shared ??= limitScene()),
  end: async (): Promise<void> => (await shared)?.[Symbol.asyncDispose](),
};

function limitScene(): Promise<Scene> {
  return startScene({
    config: {
      server: { workers: 4, adminToken: ADMIN_TOKEN },
      rates: {
        burst: { limit: PER_SECOND, per: "1s", burst: BURST },
        once: { limit: 1, per: "1h" },
        address: { limit: 1, per: "1h", burst: 4, by: "ip" },
      },
      concurrency: { one: { limit: 1 } },
      meters: { calls: {}, last: {}, paid: {}, capped: {} },
      plans: {
        free: {
          default: true,
          quotas: {
            calls: { limit: 1000, ...ENDLESS },
            last: [
              { limit: 5, ...ENDLESS },
              { limit: 7, per: "month", by: "key" },
            ],
            paid: { limit: 0, exceed: "credits", ...ENDLESS },
            capped: { limit: 0, exceed: "overage", ...ENDLESS },
          },
        },
      },
      routes: [
        { name: "burst", match: { path: "/burst" }, upstream: "app", rates: ["burst"] },
        { name: "once", match: { path: "/once" }, upstream: "app", rates: ["once"], meters: { calls: 1 } },
        { name: "ip", match: { path: "/ip" }, auth: "none", upstream: "app", rates: ["address"] },
        { name: "one", match: { path: "/one" }, upstream: "app", concurrency: ["one"], meters: { calls: 1 } },
        ...["last", "paid", "capped"].map((meter) => ({
          name: meter,
          match: { path: `/${meter}` },
          upstream: "app",
          meters: { [meter]: 1 },
        })),
      ],
    },
    // An open connection would not be made again while I12 looks.
    handler: ok,
  });
}

const ok: UpstreamHandler = (_request, response) => void response.writeHead(200, { connection: "close" }).end("ok");

export const LIMITS: readonly LoneRow[] = [
  {
    id: "I07",
    class: "limits",
    name: `twice the burst at once from ${CONNECTIONS} connections over 4 workers: no more pass than the bucket holds and gets meanwhile`,
    proof: burst,
  },
  {
    id: "I08",
    class: "limits",
    name: "who is no trusted proxy cannot choose its bucket by forwarding headers",
    proof: claims,
  },
  {
    id: "I10",
    class: "limits",
    name: `the last unit of a quota, raced by ${RACERS} requests over 4 workers, goes to exactly one`,
    proof: race,
  },
  {
    id: "I12",
    class: "limits",
    name: "there is no network store: requests of every kind of limit make the gateway connect to nobody but the app",
    needs: "strace",
    timeoutMs: 60_000,
    proof: alone,
  },
  {
    id: "I14",
    class: "limits",
    name: "refusals say when to come again in whole seconds, and their limit fields are structured fields",
    proof: replies,
  },
];

/** Pipelined, so that all of it is sent within about a millisecond. */
async function burst(): Promise<void> {
  const scene = await sharedScene.get();
  scene.upstream.clear();
  const key = await scene.operator.key();
  const each = (2 * BURST) / CONNECTIONS;
  const request = requestHead("GET", "/burst", [key.line]).repeat(each);
  const started = performance.now();
  const sent = Array.from({ length: CONNECTIONS }, () =>
    rawExchange(scene.gateway.port, request, { responses: each, idleMs: 5000 }),
  );
  const statuses = (await Promise.all(sent)).flatMap(({ responses }) => responses.map(({ status }) => status));
  const seconds = (performance.now() - started) / 1000;
  expect(statuses).toHaveLength(2 * BURST);
  const admitted = statuses.filter((status) => status === 200).length;
  expect(statuses.filter((status) => status === 429)).toHaveLength(2 * BURST - admitted);
  expect(admitted).toBeGreaterThanOrEqual(BURST);
  expect(admitted).toBeLessThanOrEqual(BURST + Math.floor(PER_SECOND * seconds));
  expect(scene.upstream.count).toBe(admitted);
}

async function claims(): Promise<void> {
  const { gateway } = await sharedScene.get();
  const lines = [
    "X-Forwarded-For: 203.0.113.1",
    "X-Forwarded-For: 203.0.113.2",
    "Forwarded: for=203.0.113.3",
    "X-Real-IP: 203.0.113.4",
  ];
  const statuses: unknown[] = [];
  for (const line of [...lines, "X-Forwarded-For: 203.0.113.5"]) {
    const { responses } = await rawExchange(gateway.port, requestHead("GET", "/ip", [line]), {
      responses: 1,
      idleMs: 5000,
    });
    statuses.push(responses[0]?.status);
  }
  expect(statuses).toEqual([200, 200, 200, 200, 429]);
}

async function race(): Promise<void> {
  const scene = await sharedScene.get();
  const { gateway, operator, upstream } = scene;
  using crowd = await openCrowd(gateway.port, RACERS);
  for (let round = 0; round < 5; round++) {
    const key = await operator.key();
    for (let i = 0; i < 4; i++) await askJson(`${gateway.url}/last`, { bearer: key.secret });
    upstream.clear();
    const counts = await crowd.ask(requestHead("GET", "/last", [key.line])).all;
    expect([counts, upstream.count]).toEqual([{ 200: 1, 429: RACERS - 1 }, 1]);
    expect(await operator.used(key.account, "last")).toBe(5);
  }
}

async function alone(): Promise<void> {
  const scene = await sharedScene.get();
  const { gateway, operator, upstream } = scene;
  const key = await operator.key();
  await operator.call("POST", `/admin/accounts/${key.account}/credits`, { amount: 3 });
  const places = ["/burst", "/once", "/one", "/last", "/paid", "/capped"];
  for (const place of places) await askJson(`${gateway.url}${place}`, { bearer: key.secret });
  await using strace = await Strace.attach(gateway.pid, [], [{ calls: "connect", effect: null }]);
  upstream.clear();
  for (const place of places.flatMap((one) => [one, one, one, one]))
    await askJson(`${gateway.url}${place}`, { bearer: key.secret });
  const passed = upstream.count;
  expect(passed).toBeGreaterThan(10);
  const made = () => strace.lines.filter((line) => line.includes("connect("));
  await until("the connections to the app are listed", () => made().length >= passed);
  const strangers = made().filter((line) => !line.includes(`sin_port=htons(${upstream.port})`));
  expect(strangers).toEqual([]);
}

async function replies(): Promise<void> {
  const scene = await sharedScene.get();
  const key = await scene.operator.key();
  await askJson(`${scene.gateway.url}/_tollgate/billing/spend-cap`, {
    method: "PUT",
    body: { units: { capped: 0 } },
    bearer: key.secret,
  });
  const refusals: readonly (readonly [string, number, string])[] = [
    ["/once", 429, "rate:once"],
    ["/last", 429, "quota:last"],
    ["/capped", 429, "spend-cap:capped"],
    ["/paid", 402, "credits:paid"],
    ["/one", 429, "concurrency:one"],
  ];
  for (const [path, status, rule] of refusals) {
    const answer = await refusalOf(scene, key, path);
    expect.soft([answer.status, answer.body.rule], path).toEqual([status, rule]);
    // Only time helps with the others; who has no credits has to get some.
    expect.soft(answer.headers.get("retry-after") ?? "", path).toMatch(status === 429 ? /^[1-9][0-9]{0,14}$/ : /^$/);
    expectLists(answer, path);
  }
}

async function refusalOf({ gateway, upstream }: Scene, key: MadeKey, path: string): Promise<JsonAnswer> {
  const ask = () => askJson(`${gateway.url}${path}`, { bearer: key.secret });
  if (path !== "/one") {
    const refused = async () => {
      const answer = await ask();
      return answer.status === 200 ? null : answer;
    };
    return await until("a refusal", refused);
  }
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  upstream.clear();
  upstream.answer(async (_request, response) => {
    await released;
    response.end();
  });
  const held = ask();
  await until("the slot is taken", () => upstream.count === 1);
  const refused = await ask();
  release();
  await held;
  upstream.answer(ok);
  return refused;
}

/** Both fields name the same limits, with the parameters and types of the draft. */
function expectLists({ headers }: JsonAnswer, path: string): void {
  const [policies, states] = ["ratelimit-policy", "ratelimit"].map((field) => parseList(headers.get(field) ?? ""));
  const names = (items = policies) => items?.map(({ value }) => value);
  expect.soft(names(states), path).toEqual(names(policies));
  expect.soft(names()?.length, path).toBeGreaterThan(0);
  for (const { value, parameters } of [...(policies ?? []), ...(states ?? [])]) {
    expect.soft(typeof value, path).toBe("string");
    for (const [name, number] of parameters) {
      expect.soft(["q", "w", "r", "t"], path).toContain(name);
      expect.soft(Number.isSafeInteger(number) && Number(number) >= 0, `${path} ${name}=${String(number)}`).toBe(true);
    }
  }
  for (const { parameters } of policies ?? []) expect.soft(parameters.has("q"), path).toBe(true);
  for (const { parameters } of states ?? []) expect.soft(parameters.has("r"), path).toBe(true);
}

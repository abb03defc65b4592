/** A changed file takes effect as a whole, between two requests, and no request notices; a broken one changes nothing. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, expect, test } from "vitest";
import { stringify } from "yaml";
import { type Connection, connectionToEach, openConnection } from "#test/support/connection.ts";
import { metricOf } from "#test/support/metrics.ts";
import { sceneConfig, startScene } from "#test/support/scene.ts";
import { until } from "#test/support/until.ts";

const RELOADS = process.env.TOLLGATE_LONG === "1" ? 200 : 40;
const CLIENTS_MORE = 2;
/** 200 take about 4 s; the clients leave little of a busy machine to anybody. */
const RELOADS_TIMEOUT_MS = 120_000;

const scene = await startScene();
const { gateway, upstream, operator } = scene;
const key = await operator.key();
const good = sceneConfig(upstream.url);
const workers = await connectionToEach(gateway, 2);

afterAll(async () => {
  for (const connection of workers) connection[Symbol.dispose]();
  await scene[Symbol.asyncDispose]();
});
afterEach(async () => {
  const { event } = await gateway.reload(good);
  if (event !== "reloaded") throw new Error("The good file was refused");
});

/** Only `/number/N` with this number, and pools that must be replaced each time. */
function numbered(number: number) {
  return {
    ...good,
    upstreams: { app: { targets: [upstream.url], connections: 100 + number } },
    routes: [
      { name: "steady", match: { path: "/steady" }, upstream: "app", meters: { api_calls: 1 } },
      { name: `number.${number}`, match: { path: `/number/${number}` }, upstream: "app" },
    ],
  };
}

async function statusOnEach(target: string, lines: readonly string[] = [key.line]): Promise<readonly number[]> {
  return await Promise.all(workers.map(async (connection) => (await connection.ask("GET", target, lines)).status));
}

/** Asks without pause until told to stop; how many requests were answered with 200. Throws at the first that was not. */
async function ask(connection: Connection, signal: AbortSignal): Promise<number> {
  let count = 0;
  for (; !signal.aborted; count++) {
    const { status } = await connection.ask("GET", "/steady", [key.line]);
    if (status !== 200) throw new Error(`Request ${count} was answered with ${status}`);
  }
  return count;
}

test(
  `${RELOADS} reloads under load fail no request, and the last one's change is in force on both workers`,
  async () => {
    expect(await gateway.reload(numbered(0))).toMatchObject({ event: "reloaded" });
    const before = await operator.used(key.account);
    const answered = await answeredDuring(async () => {
      for (let number = 1; number <= RELOADS; number++) {
        expect(await gateway.reload(numbered(number))).toMatchObject({ event: "reloaded" });
      }
    });
    expect(await statusOnEach(`/number/${RELOADS}`)).toEqual([200, 200]);
    expect(await statusOnEach(`/number/${RELOADS - 1}`)).toEqual([404, 404]);
    expect(answered).toBeGreaterThan(RELOADS);
    expect((await operator.used(key.account)) - before).toBe(answered);
  },
  RELOADS_TIMEOUT_MS,
);

/** Keeps clients on both workers busy while `work` is at it; how many requests were answered, each with 200. */
async function answeredDuring(work: () => Promise<void>): Promise<number> {
  const more = await Promise.all(Array.from({ length: CLIENTS_MORE }, () => openConnection(gateway.port)));
  const stop = new AbortController();
  const clients = Promise.all([...workers, ...more].map((connection) => ask(connection, stop.signal)));
  try {
    // A client that fails ends it at once.
    await Promise.race([work(), clients]);
  } finally {
    stop.abort();
  }
  const counts = await clients;
  for (const connection of more) connection[Symbol.dispose]();
  return counts.reduce((sum, count) => sum + count, 0);
}

test("a new route works on both workers from the request after the reload on", async () => {
  for (let number = 1; number <= 10; number++) {
    expect(await statusOnEach(`/number/${number}`, [])).toEqual(number === 1 ? [401, 401] : [404, 404]);
    await gateway.reload(numbered(number));
    expect(await statusOnEach(`/number/${number}`)).toEqual([200, 200]);
  }
});

test("a changed file is taken up without a signal", async () => {
  writeFileSync(
    gateway.file,
    stringify({
      version: 1,
      ...numbered(7),
      server: { ...Object(good.server), listen: "127.0.0.1:0", admin: "127.0.0.1:0" },
    }),
  );
  const seen = gateway.logs().length;
  await until("the file is reloaded", () =>
    gateway
      .logs()
      .slice(seen)
      .find(({ event, cause }) => event === "reloaded" && cause === "file"),
  );
  expect(await statusOnEach("/number/7")).toEqual([200, 200]);
});

test("a broken file changes nothing: it is logged with the place of each fault, and the metric goes to 0 until a good one comes", async () => {
  const text = [
    "version: 1",
    "upstreams:",
    "  app: { targets: [http://127.0.0.1:9] }",
    "routes:",
    "  - name: one",
    "    mach: { path: /a }",
    "    upstream: ap",
    "",
  ];
  const failed = await gateway.reload(text.join("\n"));
  expect(failed.event).toBe("reload-failed");
  expect(failed.faults).toEqual(
    expect.arrayContaining([
      expect.stringContaining(`${join(gateway.dir, "gateway.yaml")}:5:5: `),
      expect.stringContaining(`${join(gateway.dir, "gateway.yaml")}:6:5: `),
    ]),
  );
  expect(await metric("tollgate_config_last_reload_good")).toBe(0);
  expect(await statusOnEach("/anything")).toEqual([200, 200]);
  const misnamed = await gateway.reload(
    stringify({ version: 1, ...good, upstreams: { ap: { targets: [upstream.url] } } }),
  );
  expect(misnamed.faults).toEqual([expect.stringMatching(/gateway\.yaml:\d+:\d+: .*"app"/)]);
  expect((await gateway.reload("{")).event).toBe("reload-failed");
  expect(await statusOnEach("/anything")).toEqual([200, 200]);
  expect((await gateway.reload(good)).event).toBe("reloaded");
  expect(await metric("tollgate_config_last_reload_good")).toBe(1);
});

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
}

test("a request under way when the file changes is finished by the rules it began with", async () => {
  const { promise: arrived, resolve } = Promise.withResolvers<() => void>();
  upstream.answer((_request, response) => resolve(() => response.end("late")));
  const [connection] = workers;
  const answer = connection?.ask("GET", "/anything", [key.line]);
  const finish = await arrived;
  await gateway.reload(numbered(1));
  finish();
  expect((await answer)?.text()).toBe("late");
  upstream.answer();
});

test("another lane needs a restart, and is asked for until it comes", async () => {
  const other = process.env.TOLLGATE_LANE === "full" ? "auto" : "full";
  const before = await lanes();
  const seen = gateway.logs().length;
  for (let times = 1; times <= 2; times++) {
    await gateway.reload({ ...good, server: { ...Object(good.server), lane: other } });
    const lines = await until("the warning is logged", () => {
      const all = gateway
        .logs()
        .slice(seen)
        .filter(({ event }) => event === "restart-needed");
      return all.length === times ? all : null;
    });
    expect(lines.at(-1)?.settings).toEqual(["server.lane"]);
    expect(await statusOnEach("/anything")).toEqual([200, 200]);
  }
  const after = await lanes();
  const used = other === "full" ? "fast" : "full";
  expect({ ...after, [used]: after[used] - before[used] }).toEqual({ ...before, [used]: 4 });
});

async function lanes(): Promise<{ fast: number; full: number }> {
  const of = (lane: string) => metricOf(gateway, `tollgate_lane_requests_total{lane="${lane}"}`);
  return { fast: await of("fast"), full: await of("full") };
}

test("settings that need a restart are named and change nothing", async () => {
  const seen = gateway.logs().length;
  await gateway.reload({ ...good, server: { ...Object(good.server), workers: 1, listen: "127.0.0.1:1" } });
  const line = await until("the warning is logged", () =>
    gateway
      .logs()
      .slice(seen)
      .find(({ event }) => event === "restart-needed"),
  );
  expect(line.settings).toEqual(["server.listen", "server.workers"]);
  expect(await statusOnEach("/anything")).toEqual([200, 200]);
});

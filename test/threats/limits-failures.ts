/** I11: requests that fail are counted by the stated rule, and journal, ledger, live counters and headers all say the same. */
import { connect } from "node:net";
import { isDeepStrictEqual } from "node:util";
import { expect } from "vitest";
import { ledgerUnits } from "#test/support/ledger.ts";
import { rawExchange, requestHead } from "#test/support/raw.ts";
import { ADMIN_TOKEN, type MadeKey, type Scene, startScene } from "#test/support/scene.ts";
import { parseList } from "#test/support/structured-fields.ts";
import { until } from "#test/support/until.ts";
import type { UpstreamHandler } from "#test/support/upstream.ts";
import { journaledIds } from "../durability/journal.ts";
import type { LoneRow } from "./runner.ts";

const LIMIT = 1000;
const RULES = ["always", "2xx", "not-5xx"] as const;
type Rule = (typeof RULES)[number];

interface Failure {
  readonly what: string;
  readonly app: UpstreamHandler;
  /** Left out: the client waits for its answer. */
  readonly leaves?: "at the app" | "in its body" | "in the answer";
  /** Units by rule. */
  readonly units: Readonly<Record<Rule, number>>;
}

const silent: UpstreamHandler = () => undefined;
const half: UpstreamHandler = (_request, response) =>
  void response.writeHead(200, { "content-length": 10 }).write("half");

const FAILURES: readonly Failure[] = [
  { what: "502", app: (_request, response) => void response.destroy(), units: { always: 1, "2xx": 0, "not-5xx": 0 } },
  { what: "504", app: silent, units: { always: 1, "2xx": 0, "not-5xx": 0 } },
  {
    what: "an app's 500",
    app: (_request, response) => void response.writeHead(500).end(),
    units: { always: 1, "2xx": 0, "not-5xx": 0 },
  },
  {
    what: "an app's 404",
    app: (_request, response) => void response.writeHead(404).end(),
    units: { always: 1, "2xx": 0, "not-5xx": 1 },
  },
  {
    what: "a client that leaves before the answer",
    app: silent,
    leaves: "at the app",
    units: { always: 1, "2xx": 0, "not-5xx": 1 },
  },
  {
    what: "a client that leaves in its body",
    app: silent,
    leaves: "in its body",
    units: { always: 0, "2xx": 0, "not-5xx": 0 },
  },
  {
    what: "a client that leaves in the answer",
    app: half,
    leaves: "in the answer",
    units: { always: 1, "2xx": 1, "not-5xx": 1 },
  },
  {
    what: "an app that dies in its answer",
    app: (_request, response) =>
      void response.writeHead(200, { "content-length": 10 }).write("half", () => response.destroy()),
    units: { always: 1, "2xx": 1, "not-5xx": 1 },
  },
];

export const LIMITS_FAILURES: readonly LoneRow[] = [
  {
    id: "I11",
    class: "limits",
    name: "a request that fails is charged by countWhen, alike in journal, ledger, counters and headers",
    timeoutMs: 60_000,
    proof: async () => {
      await using scene = await startScene({
        config: {
          server: { workers: 2, adminToken: ADMIN_TOKEN, limits: { requestTimeout: "500ms" } },
          meters: { calls: {} },
          plans: { free: { default: true, quotas: { calls: { limit: LIMIT, per: "lifetime" } } } },
          routes: RULES.map((countWhen) => ({
            name: countWhen === "2xx" ? "ok" : countWhen,
            match: { path: `/${countWhen}` },
            upstream: "app",
            meters: { calls: 1 },
            countWhen,
          })),
        },
      });
      for (const failure of FAILURES) {
        scene.upstream.answer(failure.app);
        for (const rule of RULES) await expectCounted(scene, failure, rule);
      }
    },
  },
];

async function expectCounted(scene: Scene, failure: Failure, rule: Rule): Promise<void> {
  const key = await scene.operator.key();
  const id = `${failure.what.replaceAll(/\W+/g, "-")}.${rule}`;
  const left = await fail(scene, failure, rule, key, id);
  const units = failure.units[rule];
  const facts = async () => ({
    used: await scene.operator.used(key.account, "calls"),
    ledger: await ledgerUnits(scene.operator, key.account, "calls"),
    journal: journaledIds(scene.gateway.dir).filter((one) => one === id).length,
    left,
  });
  const wanted = { used: units, ledger: units, journal: units, left: left === null ? null : LIMIT - units };
  // The gateway hears of a client that leaves when it hears of it.
  const isOver = async () => isDeepStrictEqual(await facts(), wanted);
  await until(`${id} is over`, isOver).catch(() => undefined);
  expect.soft(await facts(), id).toEqual(wanted);
}

/** What the answer says is left; null when there was none, or it came before the end of what counts. */
async function fail(
  { gateway, upstream }: Scene,
  { leaves }: Failure,
  rule: Rule,
  { line }: MadeKey,
  id: string,
): Promise<number | null> {
  const lines = [line, `X-Request-Id: ${id}`];
  if (leaves === undefined) {
    const { responses } = await rawExchange(gateway.port, requestHead("POST", `/${rule}`, lines), {
      responses: 1,
      idleMs: 5000,
    });
    const [item] = parseList(responses[0]?.header("ratelimit") ?? "");
    return Number(item?.parameters.get("r"));
  }
  const socket = connect(gateway.port, "127.0.0.1");
  socket.on("error", () => undefined);
  const asked = requestHead("POST", `/${rule}`, leaves === "in its body" ? [...lines, "Content-Length: 10"] : lines);
  const before = upstream.count;
  let text = "";
  socket.on("data", (part) => (text += part.toString("latin1")));
  socket.write(leaves === "in its body" ? `${asked}half` : asked);
  await until("it has got so far", () =>
    leaves === "in the answer" ? text.endsWith("half") : upstream.count > before,
  );
  socket.destroy();
  return null;
}

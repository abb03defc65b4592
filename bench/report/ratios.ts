/** The figures the project has set itself, as ratios of one run. Pure. */
import type { Row } from "#bench/suites/suite.ts";

interface Goal {
  readonly what: string;
  readonly ours: string;
  readonly theirs: string;
  /** Ours in theirs, or, for a `gap`, microseconds by which ours is more. */
  readonly kind: "ratio" | "gap";
  readonly atMost: number;
}

const KEY = "tollgate fast lane: key, role, 3 rates, 2 quotas, metering";
const JWT = "tollgate fast lane: JWT, role, 3 rates, 2 quotas, metering";
const BARE = "tollgate fast lane";

const GOALS: readonly Goal[] = [
  {
    what: "key, of HAProxy with key map and stick table",
    ours: KEY,
    theirs: "HAProxy: key map, stick table",
    kind: "ratio",
    atMost: 1.2,
  },
  {
    what: "key, of HAProxy doing the same job",
    ours: KEY,
    theirs: "HAProxy: key, role, 3 rates, 2 quotas, log",
    kind: "ratio",
    atMost: 1,
  },
  { what: "JWT, of HAProxy with JWT", ours: JWT, theirs: "HAProxy: JWT, stick table", kind: "ratio", atMost: 0.6 },
  { what: "bare, of HAProxy bare", ours: BARE, theirs: "HAProxy bare", kind: "ratio", atMost: 1.2 },
  {
    what: "key, of bare @fastify/http-proxy",
    ours: KEY,
    theirs: "@fastify/http-proxy bare",
    kind: "ratio",
    atMost: 1 / 3,
  },
  { what: "key, of bare http-proxy-3", ours: KEY, theirs: "http-proxy-3 bare", kind: "ratio", atMost: 1 / 3 },
  { what: "checks and metering over the bare lane, µs", ours: KEY, theirs: BARE, kind: "gap", atMost: 5 },
];

/** One line for each goal whose two rows are there. */
export function goalLines(rows: readonly Row[]): readonly string[] {
  const cost = (name: string) =>
    Number(rows.find((row) => row.suite === "peers" && row.name === name)?.cpuMicrosPerRequest);
  return GOALS.flatMap(({ what, ours, theirs, kind, atMost }) => {
    const reached = kind === "ratio" ? cost(ours) / cost(theirs) : cost(ours) - cost(theirs);
    if (Number.isNaN(reached)) return [];
    return `${reached <= atMost ? "reached" : "missed "}  ${what}: ${reached.toFixed(2)}, wanted at most ${atMost.toFixed(2)}`;
  });
}

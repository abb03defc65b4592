/**
 * All contenders in one table: processor time of a request, throughput and latency under closed load, and latency under open load at half
 * of what each can carry, beside that of the app alone at the same rate. Rounds go over all of them in turn, so that a noisy minute of
 * the machine hits everybody.
 */
import { CONTENDERS } from "#bench/contenders/all.ts";
import type { Contender, Running } from "#bench/contenders/contender.ts";
import { PATH } from "#bench/contenders/contender.ts";
import { runLoad } from "#bench/load/run.ts";
import type { Latency } from "#bench/load/types.ts";
import { measure, type Measurement } from "#bench/measure.ts";
import { median, rounded } from "#bench/parts/statistics.ts";
import type { Stage } from "#bench/stage.ts";
import type { Recorder, SuiteOptions } from "./suite.ts";

/** Programs that compile while they run get cheaper for some seconds; what is measured is what comes then. */
const WARM_UP_SECONDS = 8;
/** More than this the load cannot send on time from its one core, beside the app. */
const OPEN_RATE_MAX = 20_000;
const OPEN_SECONDS = 5;

interface Round {
  readonly closed: Measurement;
  readonly rate: number;
  readonly open: Latency;
  readonly app: Latency;
}

export async function peers(stage: Stage, options: SuiteOptions, recorder: Recorder): Promise<void> {
  const rounds = new Map<Contender, Round[]>();
  const wanted = CONTENDERS.filter(({ name }) => options.only.test(name));
  for (const contender of wanted) if (contender.version() === null) recorder.failed(contender.name, "not installed");
  for (let round = 0; round < options.rounds; round++) {
    for (const contender of wanted) {
      if (contender.version() === null) continue;
      try {
        await using running = await contender.start(stage);
        const done = rounds.get(contender) ?? [];
        rounds.set(contender, done);
        done.push(await once(running, stage, options));
      } catch (error) {
        recorder.failed(contender.name, error instanceof Error ? error.message : String(error));
      }
    }
  }
  for (const [contender, done] of rounds) if (done.length > 0) recorder.add(rowOf(contender, done));
}

async function once({ url, headers, pid }: Running, { app }: Stage, options: SuiteOptions): Promise<Round> {
  const { connections, seconds } = options;
  const request = { url, headers, connections };
  await runLoad({ ...request, seconds: WARM_UP_SECONDS });
  const closed = await measure(pid, { ...request, seconds });
  const rate = Math.min(OPEN_RATE_MAX, Math.round(closed.requestsPerSecond / 2));
  const open = { connections, rate, seconds: OPEN_SECONDS };
  const { latencyMs } = await runLoad({ ...open, url, headers });
  const alone = await runLoad({ ...open, url: app.url + PATH, headers });
  return { closed, rate, open: latencyMs, app: alone.latencyMs };
}

function rowOf({ name, task, own, version }: Contender, rounds: readonly Round[]) {
  const of = (figure: (round: Round) => number, digits?: number) => rounded(median(rounds.map(figure)), digits);
  return {
    suite: "peers",
    name,
    task,
    own,
    version: version(),
    cpuMicrosPerRequest: of(({ closed }) => closed.cpuMicrosPerRequest),
    cpuMicrosPerRequestLeast: rounded(Math.min(...rounds.map(({ closed }) => closed.cpuMicrosPerRequest))),
    cpuMicrosPerRequestMost: rounded(Math.max(...rounds.map(({ closed }) => closed.cpuMicrosPerRequest))),
    requestsPerSecond: of(({ closed }) => closed.requestsPerSecond, 0),
    serverCores: of(({ closed }) => closed.serverCores),
    p50Ms: of(({ closed }) => closed.latencyMs.p50),
    p99Ms: of(({ closed }) => closed.latencyMs.p99),
    openRate: of(({ rate }) => rate, 0),
    openP50Ms: of(({ open }) => open.p50),
    openP99Ms: of(({ open }) => open.p99),
    openAddedP50Ms: of(({ open, app }) => open.p50 - app.p50),
    openAddedP99Ms: of(({ open, app }) => open.p99 - app.p99),
  };
}

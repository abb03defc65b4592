/**
 * `kill -9` at a chosen system call: one small script of a gateway's life (start, fold, requests, fold, a new key, drain) is run
 * again and again on the same data, and dies as it comes to the n-th write, sync, cut or removal of a file. Each start judges
 * what the death before left, by identity (`witness.ts`).
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Gateway } from "#test/support/process.ts";
import { until } from "#test/support/until.ts";
import { lastRunFiles } from "./journal.ts";
import type { Load } from "./load.ts";
import { Site } from "./site.ts";
import { Strace, straceWrapper } from "./strace.ts";
import { expectLedger, expectM1, Witness } from "./witness.ts";

/** The `when`-th call of this name by any one thread: of a start, of the life after it, or of that life but on the journal alone. */
export interface Point {
  readonly call: string;
  readonly when: number;
  readonly of: "start" | "life" | "journal";
}

export type Outcome = "died starting" | "died later" | "lived";

/** All that changes files in a run, but for `write`, which serves sockets too: that is looked at on the journal alone. */
const FILE_CALLS = ["pwrite64", "fsync", "fdatasync", "ftruncate", "rename", "unlink", "unlinkat", "chmod"];
const REQUESTS = 6;
const BUSY_MACHINE_MS = 20_000;

/** The script sends that many requests at least, all through one worker. */
const JOURNAL_POINTS: readonly Point[] = [
  ...pointsOf("write", "journal", REQUESTS),
  ...pointsOf("fdatasync", "journal", 1),
];

export class Script implements AsyncDisposable {
  readonly #site: Site;
  readonly #witness = new Witness();
  #metered = 0;
  #runs = 0;

  static async open(): Promise<Script> {
    return new Script(await Site.open({ workers: 1, metering: { durability: "disk" } }));
  }

  private constructor(site: Site) {
    this.#site = site;
  }

  /** Every point there is, by a run that nobody disturbs; those of starts and others in turn, so that most deaths are judged at once. */
  async points(): Promise<readonly Point[]> {
    // The first stop writes the whole schema back from the store's log: more calls than any run after it.
    await this.#live(await this.#site.start(), () => []);
    await using gateway = await this.#site.start(straceWrapper(FILE_CALLS.join(","), null, this.#output));
    const readyAt = Date.now() / 1000;
    await this.#live(gateway, () => []);
    const lines = this.#lines();
    const [start, life] = [
      lines.filter((line) => secondsOf(line) < readyAt),
      lines.filter((line) => secondsOf(line) >= readyAt),
    ];
    const early = FILE_CALLS.flatMap((call) => pointsOf(call, "start", mostByOneThread(start, call)));
    const late = FILE_CALLS.flatMap((call) => pointsOf(call, "life", mostByOneThread(life, call)));
    return inTurn(early, [...JOURNAL_POINTS, ...late]);
  }

  /** Runs the script to its death. Throws, by `expect`, when a guarantee did not hold before. */
  async dieAt({ call, when, of }: Point): Promise<Outcome> {
    const effect = `signal=SIGKILL:when=${when}`;
    if (of === "start") return await this.#start(straceWrapper(call, effect, this.#output));
    await using gateway = await this.#site.start();
    const files = of === "journal" ? lastRunFiles(this.#site.dir) : [];
    await using strace = await Strace.attach(gateway.pid, files, [{ calls: call, effect }]);
    return await this.#live(gateway, () => strace.lines);
  }

  /** The judgement on the last death. */
  async expectLedger(): Promise<number> {
    await using gateway = await this.#site.start();
    await expectLedger(this.#site, gateway, this.#metered);
    return this.#metered;
  }

  get #output(): string {
    return join(this.#site.dir, "tmp", "calls");
  }

  #lines(): readonly string[] {
    return readFileSync(this.#output, "utf8").split("\n");
  }

  async #start(wrapper: readonly string[]): Promise<Outcome> {
    const gateway = await this.#site.start(wrapper).catch((error: unknown) => {
      if (!wasKilled(this.#lines())) throw error;
      return null;
    });
    if (gateway === null) return "died starting";
    await using _ = gateway;
    return await this.#live(gateway, () => this.#lines());
  }

  async #live(gateway: Gateway, strace: () => readonly string[]): Promise<Outcome> {
    const name = `run${++this.#runs}`;
    const loads: Load[] = [];
    const outcome = await this.#steps(gateway, name, loads).catch(async (error: unknown): Promise<Outcome> => {
      if (error instanceof Error && error.name === "AssertionError") throw error;
      // What a client of a killed process sees; what strace says decides.
      await until("strace tells of the kill", () => wasKilled(strace()), BUSY_MACHINE_MS).catch(() => {
        throw error;
      });
      return "died later";
    });
    await gateway.kill();
    await Promise.all(loads.map((load) => load.ended()));
    for (const load of loads) this.#witness.add(load);
    this.#metered = expectM1(this.#site, this.#witness);
    return outcome;
  }

  async #steps(gateway: Gateway, name: string, loads: Load[]): Promise<Outcome> {
    const site = this.#site;
    await expectLedger(site, gateway, this.#metered);
    const load = await site.load(gateway, name, () => "/fast", 2);
    loads.push(load);
    const enough = until("some answers", () => load.complete.size >= REQUESTS, BUSY_MACHINE_MS, 1);
    await Promise.race([enough, load.ended()]);
    await load.stop();
    await site.read(gateway);
    await site.makeKey(gateway);
    return (await gateway.stop()) === 0 ? "lived" : "died later";
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#site[Symbol.asyncDispose]();
  }
}

function pointsOf(call: string, of: Point["of"], most: number): readonly Point[] {
  return Array.from({ length: most }, (_, index) => ({ call, of, when: index + 1 }));
}

function inTurn<T>(some: readonly T[], others: readonly T[]): readonly T[] {
  const longer = Math.max(some.length, others.length);
  return Array.from({ length: longer }, (_, at) => [...some.slice(at, at + 1), ...others.slice(at, at + 1)]).flat();
}

function secondsOf(line: string): number {
  return Number(line.split(/ +/, 2)[1]);
}

/** strace counts for each thread by itself. */
function mostByOneThread(lines: readonly string[], call: string): number {
  const counts = new Map<string, number>();
  for (const line of lines) {
    const [thread = "", , rest = ""] = line.split(/ +/, 3);
    if (rest.startsWith(`${call}(`)) counts.set(thread, (counts.get(thread) ?? 0) + 1);
  }
  return Math.max(0, ...counts.values());
}

function wasKilled(lines: readonly string[]): boolean {
  return lines.some((line) => line.includes("+++ killed by SIGKILL"));
}

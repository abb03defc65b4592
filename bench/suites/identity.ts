/**
 * What a million keys of a hundred thousand accounts cost: the start, memory, a request by a key that was seen before and by one that was
 * not, pages at the end of the list of accounts. Stores of all sizes are served side by side and asked in turn, so that a noisy minute
 * of the machine hits all of them; a gateway that nobody asks costs next to nothing. Everything on.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CLIENT_HEADERS, PATH } from "#bench/contenders/contender.ts";
import { ADMIN_TOKEN, fullConfig } from "#bench/contenders/gateway.ts";
import { stockKeys } from "#bench/contenders/many-keys.ts";
import { measure } from "#bench/measure.ts";
import { residentBytes } from "#bench/parts/cpu.ts";
import { pinned, SERVER_CORE } from "#bench/parts/pin.ts";
import { median, rounded } from "#bench/parts/statistics.ts";
import type { Stage } from "#bench/stage.ts";
import { type Gateway, startGateway } from "#test/support/process.ts";
import type { Recorder, Row, SuiteOptions } from "./suite.ts";

/** How many keys are in the store, and how many of them call at most: of ten none is left for a first sight. */
const STORES = [
  { keys: 10, listed: 10 },
  { keys: 100_000, listed: 100_000 },
  { keys: 1_000_000, listed: 400_000 },
] as const;
const WARM_KEYS = 10;
/** Fewer keys are seen for the first time in this than are listed. */
const COLD_SECONDS = 4;
/** As many as a worker remembers. */
const SEEN = 200_000;
const START_TIMEOUT_MS = 120_000;
const PAGES = 20;

class Site implements AsyncDisposable {
  readonly keys: number;
  readonly warmMicros: number[] = [];
  readonly coldMicros: number[] = [];
  readonly #gateway: Gateway;
  readonly #credentials: string;
  readonly #warmCredentials: string;
  readonly #listed: number;
  readonly #startMs: number;
  readonly #startedBytes: number;
  /** So many of the listed keys have called. */
  #seen = WARM_KEYS;

  private constructor(gateway: Gateway, keys: number, lines: readonly string[], credentials: string, startMs: number) {
    this.keys = keys;
    this.#gateway = gateway;
    this.#credentials = credentials;
    this.#listed = lines.length;
    this.#startMs = startMs;
    this.#startedBytes = residentBytes(gateway.pid);
    this.#warmCredentials = join(gateway.dir, "warm");
    writeFileSync(this.#warmCredentials, lines.slice(0, WARM_KEYS).join("\n"));
  }

  static async open(stage: Stage, keys: number, listed: number): Promise<Site> {
    const { dir, credentials } = await stockKeys(stage.dir, keys, listed, "account");
    const options = { dir, wrapper: pinned(SERVER_CORE), readyTimeoutMs: START_TIMEOUT_MS };
    const begun = performance.now();
    const gateway = await startGateway(fullConfig(stage, "auto"), options);
    const startMs = performance.now() - begun;
    return new Site(gateway, keys, readFileSync(credentials, "utf8").trim().split("\n"), credentials, startMs);
  }

  /** Keys that were seen before. */
  async askWarm({ connections, seconds }: SuiteOptions): Promise<number> {
    const request = { ...this.#request(connections), credentials: this.#warmCredentials, seconds };
    return (await measure(this.#gateway.pid, request)).cpuMicrosPerRequest;
  }

  get hasCold(): boolean {
    return this.#seen < this.#listed;
  }

  /** Keys that nobody has seen, each once. */
  async askCold(connections: number): Promise<number> {
    const request = {
      ...this.#request(connections),
      credentials: this.#credentials,
      skip: this.#seen,
      seconds: COLD_SECONDS,
    };
    const { requests, cpuMicrosPerRequest } = await measure(this.#gateway.pid, request);
    this.#seen += requests + connections;
    if (this.#seen > this.#listed) throw new Error(`More than ${this.#listed} keys were asked for`);
    return cpuMicrosPerRequest;
  }

  #request(connections: number) {
    return { url: this.#gateway.url + PATH, headers: CLIENT_HEADERS, connections };
  }

  async row({ connections }: SuiteOptions): Promise<Row> {
    const lists = await this.#pages();
    while (this.#seen < Math.min(SEEN, this.#listed * 0.8)) await this.askCold(connections);
    return {
      suite: "identity",
      name: `${this.keys.toLocaleString("en-US")} keys, ${Math.ceil(this.keys / 10).toLocaleString("en-US")} accounts`,
      keys: this.keys,
      startMs: rounded(this.#startMs, 0),
      startedMebibytes: mebibytes(this.#startedBytes),
      keysSeen: this.#seen,
      seenMebibytes: mebibytes(residentBytes(this.#gateway.pid)),
      cpuMicrosPerRequest: rounded(median(this.warmMicros)),
      cpuMicrosFirstSight: rounded(median(this.coldMicros)),
      ...lists,
    };
  }

  /** The first page of the list of accounts, and one at its end. */
  async #pages() {
    const all = await this.#accounts(null);
    let cursor = all.nextCursor;
    for (let page = all; page.nextCursor !== null; ) {
      cursor = page.nextCursor;
      page = await this.#accounts(cursor);
    }
    return { firstPageMs: await this.#pageMs(null), lastPageMs: await this.#pageMs(cursor) };
  }

  async #pageMs(cursor: string | null): Promise<number> {
    const times: number[] = [];
    for (let page = 0; page < PAGES; page++) {
      const begun = performance.now();
      await this.#accounts(cursor, 100);
      times.push(performance.now() - begun);
    }
    return rounded(median(times));
  }

  async #accounts(cursor: string | null, limit = 1000): Promise<{ readonly nextCursor: string | null }> {
    const query = new URLSearchParams({ limit: String(limit), ...(cursor === null ? {} : { cursor }) });
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
    const answer = await fetch(`${this.#gateway.adminUrl}/admin/accounts?${query}`, { headers });
    if (answer.status !== 200) throw new Error(`The list of accounts answered ${answer.status}`);
    // As docs/endpoints.md says.
    return (await answer.json()) as { readonly nextCursor: string | null };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#gateway[Symbol.asyncDispose]();
  }
}

export async function identity(stage: Stage, options: SuiteOptions, recorder: Recorder): Promise<void> {
  try {
    await using sites = new AsyncDisposableStack();
    const all: Site[] = [];
    for (const { keys, listed } of STORES) all.push(sites.use(await Site.open(stage, keys, listed)));
    for (const site of all) await warmUp(site, options);
    for (let round = 0; round < options.rounds; round++) {
      for (const site of all) site.warmMicros.push(await site.askWarm(options));
      for (const site of all) if (site.hasCold) site.coldMicros.push(await site.askCold(options.connections));
    }
    for (const site of all) recorder.add(await site.row(options));
  } catch (error) {
    recorder.failed("identity", error instanceof Error ? error.message : String(error));
  }
}

/** Programs that compile while they run get cheaper for some seconds. */
async function warmUp(site: Site, options: SuiteOptions): Promise<void> {
  await site.askWarm({ ...options, seconds: 4 });
  if (site.hasCold) await site.askCold(options.connections);
}

function mebibytes(bytes: number): number {
  return rounded(bytes / 1024 / 1024, 0);
}

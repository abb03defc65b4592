/**
 * The runner of the attack tables: a row is one test, its cases are requests with everything that must be seen of them.
 * Rows say what a hostile client does and what must come of it; worlds (`world.ts`) are real gateways. A row without cases
 * tells a story of its own. Not here: any attack; those stand in the tables (`identity.ts`, `jwt-*.ts`, …).
 */
import { expect, test } from "vitest";
import { needs, type Tool } from "#test/support/needs.ts";
import { type RawOptions, rawExchange } from "#test/support/raw.ts";
import { type Expectation, lookAt, type Seen } from "./seen.ts";
import type { World } from "./world.ts";

export type ThreatClass =
  | "framing"
  | "path"
  | "identity"
  | "response"
  | "jwt"
  | "apikey"
  | "rbac"
  | "admin"
  | "dos"
  | "config"
  | "limits"
  | "durability";

interface RowHead {
  /** Its number in the list of attack cases, `C01`. */
  readonly id: string;
  readonly class: ThreatClass;
  /** A sentence: what is tried and what comes of it. */
  readonly name: string;
}

/** A row against the gateway that its file shares; cases first, then the story. */
export interface Row extends RowHead {
  readonly cases?: (world: World) => readonly Case[];
  readonly story?: (world: World) => Promise<void>;
  /** Default: the runner's own. */
  readonly timeoutMs?: number;
}

/** A row that brings along what it needs: a gateway of its own, or only a part in process. */
export interface LoneRow extends RowHead {
  /** Without it the row is skipped, and fails in CI. */
  readonly needs?: Tool;
  /** Default: the runner's own. */
  readonly timeoutMs?: number;
  readonly proof: () => void | Promise<void>;
}

export interface Case {
  /** Tells this case from the others of its row. */
  readonly what: string;
  /** The bytes sent, on a connection of their own; text is latin1. */
  readonly send: string | Uint8Array;
  /** The bytes end with a half-close. */
  readonly end?: true;
  /** Left out: to the traffic listener. */
  readonly to?: "admin";
  readonly expect: Expectation;
}

/** One test a row. `world` is asked when the tests run. */
export function testRows(rows: readonly Row[], world: () => World): void {
  for (const { id, name, cases, story, timeoutMs } of rows) {
    test(
      `${id} ${name}`,
      async () => {
        expect.hasAssertions();
        if (cases !== undefined) await runCases(world(), cases(world()));
        await story?.(world());
      },
      timeoutMs,
    );
  }
}

export function testLoneRows(rows: readonly LoneRow[]): void {
  for (const { id, name, needs: tool, timeoutMs, proof } of rows) {
    test.skipIf(tool !== undefined && !needs(tool))(
      `${id} ${name}`,
      async () => {
        expect.hasAssertions();
        await proof();
      },
      timeoutMs,
    );
  }
}

/** Sends one case after another; every case is looked at, even after one that failed. */
export async function runCases(world: World, cases: readonly Case[]): Promise<void> {
  expect(cases.length, "cases of the row").toBeGreaterThan(0);
  for (const { what, send, end, to, expect: wanted } of cases) {
    const before = await world.tally();
    const options = { ...waitFor(wanted), ...(end === undefined ? {} : { end }), methods: methodsOf(send) };
    const answer = await rawExchange(to === "admin" ? adminPort(world) : world.gateway.port, send, options);
    const seen: Seen = { answer, before, after: await world.tally(), world };
    expect.soft(await lookAt(seen, wanted), what).toEqual(expected(wanted));
  }
}

/** A close follows its answer, so only where none is looked for may the first answer end the wait. */
function waitFor({ close }: Expectation): RawOptions {
  if (close === undefined) return { responses: 1, idleMs: ANSWER_MS };
  return { idleMs: close ? ANSWER_MS : OPEN_MS };
}

/** The answer to HEAD is read without a body. */
function methodsOf(send: string | Uint8Array): readonly string[] {
  return (typeof send === "string" ? send : Buffer.from(send).toString("latin1")).startsWith("HEAD ") ? ["HEAD"] : [];
}

function adminPort({ gateway }: World): number {
  if (gateway.adminUrl === null) throw new Error("The gateway has no admin listener");
  return Number(new URL(gateway.adminUrl).port);
}

const ANSWER_MS = 5000;
/** Silence after which a connection counts as left open. */
const OPEN_MS = 300;

/** The parts of an expectation that are compared as they are. */
function expected(wanted: Expectation): Record<string, unknown> {
  const { reason, upstream, response, body, ...plain } = wanted;
  return {
    ...plain,
    ...(reason === undefined ? {} : { reason: reason instanceof RegExp ? expect.stringMatching(reason) : reason }),
    ...(upstream === undefined ? {} : { upstream: upstream.equals ?? {}, upstreamHas: [] }),
    ...(response === undefined ? {} : { response: response.equals ?? {}, responseHas: [] }),
    ...(body === undefined ? {} : { leaks: [] }),
  };
}

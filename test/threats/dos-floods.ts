/** G04, G06 to G08: requests that are too large, never end, or are made to be slow to read. */
import { connect } from "node:net";
import { expect } from "vitest";
import { rawExchange, requestHead } from "#test/support/raw.ts";
import type { Scene } from "#test/support/scene.ts";
import { startServer } from "#test/support/server.ts";
import { until } from "#test/support/until.ts";
import type { Lane } from "#test/support/lanes.ts";
import { residentBytes, startDos } from "./dos-world.ts";
import type { LoneRow } from "./runner.ts";

const MIB = 1024 * 1024;

export function dosFloods(lane: Lane): readonly LoneRow[] {
  return [
    {
      id: "G04",
      class: "dos",
      name: "100,000 header lines, a header of 1 MiB and a section one byte too long get 431 and the connection is closed; memory stays",
      timeoutMs: 60_000,
      proof: () => headerFloods(lane),
    },
    {
      id: "G06",
      class: "dos",
      name: "a body of 10 GiB is refused by its head, one without an end at the limit; the app never gets a whole one, memory stays",
      timeoutMs: 60_000,
      proof: () => endlessBodies(lane),
    },
    {
      id: "G07",
      class: "dos",
      name: "texts made for backtracking cost no more than others of their length",
      timeoutMs: 60_000,
      proof: () => backtracking(lane),
    },
    {
      id: "G08",
      class: "dos",
      name: "names made to collide cost no more than others: as many header names as may be, 100,000 keys in a body that the gateway looks into",
      timeoutMs: 60_000,
      proof: () => collisions(lane),
    },
  ];
}

const HEADER_BYTES = 16 * 1024;

/** A head of so many bytes, from the request line to the empty line. */
function headOf(bytes: number): string {
  const empty = requestHead("GET", "/open/x", ["X-Fill: "]);
  return requestHead("GET", "/open/x", [`X-Fill: ${"a".repeat(bytes - empty.length)}`]);
}

async function headerFloods(lane: Lane): Promise<void> {
  // An app that takes more than the gateway lets through, and adds.
  await using app = await startServer((_request, response) => response.end("ok"), { maxHeaderSize: 2 * HEADER_BYTES });
  await using scene = await startDos(lane, { limits: { headerBytes: HEADER_BYTES }, target: app.url });
  const { gateway } = scene;
  const lines = Array.from({ length: 100_000 }, (_, index) => `X-${index}: ${index}`);
  const floods = {
    "100,000 lines": requestHead("GET", "/open/x", lines),
    "a header of 1 MiB": requestHead("GET", "/open/x", [`X-Large: ${"a".repeat(MIB)}`]),
    "a name of 1 MiB": requestHead("GET", "/open/x", [`X-${"a".repeat(MIB)}: 1`]),
    "one byte too many": headOf(HEADER_BYTES + 1),
  };
  const send = async (what: string, text: string) => {
    const { closed, responses } = await rawExchange(gateway.port, text, { idleMs: 5000 });
    expect.soft([closed, ...responses.map(({ status }) => status)], what).toEqual([true, 431]);
  };
  for (const [what, text] of Object.entries(floods)) await send(what, text);
  const before = residentBytes(gateway.pid);
  for (let round = 0; round < ROUNDS; round++)
    for (const [what, text] of Object.entries(floods)) await send(what, text);
  const growth = (residentBytes(gateway.pid) - before) / (ROUNDS * Object.keys(floods).length);
  expect(growth).toBeLessThan(MIB);
  const fits = await rawExchange(gateway.port, headOf(HEADER_BYTES), { responses: 1, idleMs: 5000 });
  expect(fits.responses[0]?.status).toBe(200);
}

const ROUNDS = 10;

const BODY_BYTES = MIB;

async function endlessBodies(lane: Lane): Promise<void> {
  const seen = { begun: 0, aborted: 0, whole: 0, bytes: 0 };
  await using app = await startServer((request, response) => {
    seen.begun++;
    request.on("data", (part: Buffer) => (seen.bytes += part.length));
    request.on("end", () => {
      seen.whole++;
      response.end("ok");
    });
    request.on("aborted", () => seen.aborted++);
    request.on("error", () => undefined);
  });
  await using scene = await startDos(lane, { limits: { bodyBytes: BODY_BYTES }, target: app.url });
  const { gateway, operator } = scene;
  const key = await operator.key();
  const huge = requestHead("POST", "/x", [key.line, `Content-Length: ${10 * 1024 * MIB}`]);
  const declared = await rawExchange(gateway.port, huge, { idleMs: 2000 });
  expect([declared.closed, declared.responses[0]?.status, seen.begun]).toEqual([true, 413, 0]);
  // Many chunks in one read, the limit in their midst.
  const chunks = `10000\r\n${"a".repeat(0x10000)}\r\n`.repeat(20);
  const atOnce = `${requestHead("POST", "/x", [key.line, "Transfer-Encoding: chunked"])}${chunks}`;
  const { closed, responses } = await rawExchange(gateway.port, atOnce, { idleMs: 2000 });
  expect([closed, responses[0]?.status]).toEqual([true, 413]);
  await until("the app is told", () => seen.aborted === 1);
  const before = residentBytes(gateway.pid);
  let answered = 0;
  for (let round = 2; round <= ROUNDS; round++) {
    const { sent, status } = await sendWithoutEnd(
      scene,
      requestHead("POST", "/x", [key.line, "Transfer-Encoding: chunked"]),
    );
    // A client that is still writing when the connection is closed may miss its answer.
    expect.soft(["413", ""]).toContain(status);
    answered += status === "413" ? 1 : 0;
    // The limit, and what was on its way when it was reached.
    expect.soft(sent).toBeLessThan(BODY_BYTES + 16 * MIB);
    await until("the app is told", () => seen.aborted === round);
  }
  expect(answered).toBeGreaterThan(0);
  // The log comes through a pipe of its own.
  const told = () => gateway.logs().filter(({ reason }) => reason === "limit:body").length;
  await until("every refusal is in the log", () => told() > ROUNDS, 5000).catch(() => undefined);
  expect(told()).toBe(ROUNDS + 1);
  expect(seen.whole).toBe(0);
  expect(seen.bytes).toBeLessThanOrEqual(ROUNDS * BODY_BYTES);
  expect(residentBytes(gateway.pid) - before).toBeLessThan(ROUNDS * 2 * MIB);
  expect(await operator.used(key.account)).toBe(0);
}

/** Sends chunks until the gateway closes the connection; what was sent, and the status of the answer. */
async function sendWithoutEnd({ gateway }: Scene, head: string): Promise<{ sent: number; status: string }> {
  const chunk = Buffer.concat([Buffer.from("10000\r\n"), Buffer.alloc(0x10000, "a"), Buffer.from("\r\n")]);
  const socket = connect(gateway.port, "127.0.0.1");
  let [sent, text] = [0, ""];
  socket.on("data", (part) => (text += part.toString("latin1")));
  socket.on("error", () => undefined);
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  socket.on("close", () => resolve());
  // One at a time, so that the answer can be read in between.
  const more = (): void => {
    if (text !== "" || socket.destroyed) return;
    sent += chunk.length;
    socket.write(chunk, () => setImmediate(more));
  };
  socket.write(head, more);
  await closed;
  return { sent, status: text.slice(9, 12) };
}

/** Times a plain request may be slower than another of its length before it is suspicious; noise is less. */
const SLOWER_MAX = 20;
const ASKED = 7;

interface Asking {
  readonly statuses: readonly number[];
  /** Quick enough: it is not asked again. */
  readonly enoughMs?: number;
}

/** Milliseconds until the answer, the quickest of several: what the machine does besides only adds. */
async function quickestMs(
  { gateway }: Scene,
  request: string | Uint8Array,
  { statuses, enoughMs = 0 }: Asking,
): Promise<number> {
  let quickest = Infinity;
  for (let i = 0; i < ASKED && quickest >= enoughMs; i++) {
    const start = performance.now();
    const { responses } = await rawExchange(gateway.port, request, { responses: 1, idleMs: 10_000 });
    quickest = Math.min(quickest, performance.now() - start);
    expect.soft(statuses).toContain(responses[0]?.status);
  }
  return quickest;
}

const LONG = 15_000;
/** As long as a target may be, nearly. */
const TARGET = 8100;

async function backtracking(lane: Lane): Promise<void> {
  await using scene = await startDos(lane, { server: { trustedProxies: ["127.0.0.1"] } });
  const fill = (unit: string, end = "!") => unit.repeat(Math.floor(LONG / unit.length)) + end;
  const plain = await quickestMs(scene, requestHead("GET", "/open/x", [`X-Plain: ${fill("a")}`]), { statuses: [200] });
  const enoughMs = SLOWER_MAX * plain;
  const texts = ["a", "a ", " \t ", "a,", ",", "a;q=1,", "1", "0.", "[", '"\\', "%41", "a=", "; ", "-", "0x0,"];
  const names = [
    "User-Agent",
    "Accept",
    "Cookie",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "Forwarded",
    "Traceparent",
    "X-Request-Id",
  ];
  for (const name of names) {
    for (const text of texts) {
      const request = requestHead("GET", "/open/x", [`${name}: ${fill(text).trim()}`]);
      const ms = await quickestMs(scene, request, { statuses: [200], enoughMs });
      expect.soft(ms, `${name}: ${text}…`).toBeLessThan(enoughMs);
    }
  }
  const refused = [400, 414, 431];
  const path = (unit: string) => unit.repeat(Math.floor(TARGET / unit.length));
  const targets = [
    { target: path("a"), statuses: [200] },
    { target: path("%41"), statuses: [200] },
    { target: `x?${path("a=&")}`, statuses: [200] },
    { target: path("a/"), statuses: refused },
    { target: path("../"), statuses: refused },
    { target: "a".repeat(50_000), statuses: refused },
  ];
  for (const { target, statuses } of targets) {
    const ms = await quickestMs(scene, requestHead("GET", `/open/${target}`), { statuses, enoughMs });
    expect.soft(ms, target.slice(0, 10)).toBeLessThan(enoughMs);
  }
}

/** More are refused, whatever they are. */
const NAMES = 250;
const KEYS = 100_000;
const STEP = 65_536;

/** Names that V8 hashes by their value, in steps that fall on the same places; and names of the same lengths that it does not. */
const numbers = (count: number) => Array.from({ length: count }, (_, index) => String(index * STEP).padStart(11, "1"));
const words = (count: number) => numbers(count).map((text) => `k${text.slice(1)}`);

async function collisions(lane: Lane): Promise<void> {
  await using scene = await startDos(lane, {
    config: {
      meters: { units: { from: "request.json:units" } },
      routes: [
        { name: "open", match: { path: "/open/**" }, upstream: "app", auth: "none" },
        { name: "json", match: { path: "/json" }, upstream: "app", meters: { units: "measured" } },
      ],
      plans: { free: { default: true, quotas: { units: { limit: null, per: "month" } } } },
    },
  });
  const key = await scene.operator.key();
  const compare = async (what: string, [bad, good]: readonly string[]) => {
    const statuses = [200];
    const slow = await quickestMs(scene, bad ?? "", { statuses });
    const plain = await quickestMs(scene, good ?? "", { statuses });
    expect.soft(slow, what).toBeLessThan(5 * plain + 5);
  };
  const head = (names: readonly string[]) =>
    requestHead(
      "GET",
      "/open/x",
      names.map((name) => `${name}:`),
    );
  await compare("header names", [numbers(NAMES), words(NAMES)].map(head));
  const json = (names: readonly string[]) => {
    const body = `{${names.map((name) => `"${name}":0`).join()},"units":2}`;
    return `${requestHead("POST", "/json", [key.line, "Content-Type: application/json", `Content-Length: ${body.length}`])}${body}`;
  };
  await compare("keys of a body", [numbers(KEYS), words(KEYS)].map(json));
  // It was looked into, with either kind of keys.
  expect(await scene.operator.used(key.account, "units")).toBe(2 * 2 * ASKED);
}

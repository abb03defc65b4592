/** A concurrency slot is free again after every way in which a request can end: exactly as many as were taken, no more and no less. */
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { afterAll, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { openCrowd } from "#test/support/crowd.ts";
import { workerKiller } from "#test/support/killable.ts";
import { rawExchange, requestHead } from "#test/support/raw.ts";
import { type MadeKey, sceneConfig, startScene } from "#test/support/scene.ts";
import { freePort, startServer } from "#test/support/server.ts";
import { until } from "#test/support/until.ts";

const SLOTS = 3;
const BODY_BYTES_MAX = 64 * 1024;
/** undici looks at its timers each half second. */
const TIMEOUT = "500ms";

/** An app that does what the path says. The query says whose request it is, and keeps tests apart that run at once. */
const app = await startServer((request, response) => behave(request, response));
const counts = new Map<string, number>();
const held = new Map<string, ServerResponse[]>();

function count({ url = "" }: IncomingMessage): string {
  counts.set(url, seen(url) + 1);
  return url.split("?", 1)[0] ?? "";
}

function seen(url: string): number {
  return counts.get(url) ?? 0;
}

function behave(request: IncomingMessage, response: ServerResponse): void {
  const { url = "" } = request;
  const path = count(request);
  if (path === "/hold") held.set(url, [...(held.get(url) ?? []), response]);
  else if (path === "/dead") request.socket.destroy();
  else if (path === "/half")
    response.writeHead(200, { "content-length": 10 }).write("half", () => request.socket.destroy());
  else if (path === "/head") response.writeHead(200).flushHeaders();
  else if (path === "/part") response.writeHead(200, { "content-length": 10 }).write("half");
  else if (path === "/odd") request.socket.end("SSH-2.0-x\r\n\r\n");
  else if (/^\/\d+$/.test(path)) response.writeHead(Number(path.slice(1))).end();
  else if (!path.endsWith("/silent")) response.end("ok");
}

const sockets = new WebSocketServer({ noServer: true });
sockets.on("connection", (socket: WebSocket) => {
  socket.on("error", () => undefined);
  socket.on("message", () => socket.close());
});
app.server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
  socket.on("error", () => undefined);
  const path = count(request);
  if (path === "/ws/403") socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
  else if (path === "/ws/dead") socket.destroy();
  else if (path === "/ws") sockets.handleUpgrade(request, socket, head, (client) => sockets.emit("connection", client));
});

const killer = workerKiller();
const config = (requestTimeout: string) => ({
  ...sceneConfig(app.url),
  server: {
    ...Object(sceneConfig(app.url).server),
    limits: { bodyBytes: String(BODY_BYTES_MAX), idleTimeout: "60s", requestTimeout },
  },
  concurrency: {
    slots: { limit: SLOTS },
    more: { limit: 2 * SLOTS, by: ["key", "route"] },
    address: { limit: SLOTS, by: "ip" },
    shadow: { limit: 1, shadow: true },
  },
  meters: { api_calls: {}, scarce: {} },
  plans: { free: { default: true, quotas: { scarce: { limit: 5, per: "lifetime", status: 402 } } } },
  upstreams: { app: { targets: [app.url] }, nobody: { targets: [`http://127.0.0.1:${dead}`] } },
  routes: [
    { name: "nobody", match: { path: "/nobody" }, upstream: "nobody", concurrency: ["slots", "more"] },
    { name: "scarce", match: { path: "/scarce" }, upstream: "app", concurrency: ["slots"], meters: { scarce: 1 } },
    { name: "open", match: { path: "/open/**" }, auth: "none", upstream: "app", concurrency: ["address"] },
    { name: "shadow", match: { path: "/shadow" }, upstream: "app", concurrency: ["shadow"] },
    { name: "all", match: { path: "/**" }, upstream: "app", concurrency: ["slots", "more"], meters: { api_calls: 1 } },
  ],
});
const dead = await freePort();
const scene = await startScene({ config: config("5m"), target: app.url, gateway: killer.options });
const hasty = await startScene({ config: config(TIMEOUT), target: app.url });

afterAll(async () => {
  await Promise.all([scene, hasty, app].map((part) => part[Symbol.asyncDispose]()));
  killer[Symbol.dispose]();
});

type Site = typeof scene;

/** How many of `SLOTS` + 1 requests at once are let through to the app; all of them have ended then. */
async function reach({ gateway }: Site, key: MadeKey): Promise<number> {
  const url = `/hold?${key.id}`;
  const before = seen(url);
  using crowd = await openCrowd(gateway.port, SLOTS + 1);
  const answers = crowd.ask(get("/hold", key));
  const reached = () => seen(url) - before;
  await until("all are refused or held", () => reached() + answers.count === SLOTS + 1);
  for (const response of held.get(url) ?? []) response.end("ok");
  held.delete(url);
  return (await answers.all)[200] ?? 0;
}

/** How many slots are free when all are, and once more: given back twice, they would be more than there are. */
async function freeSlots(site: Site, key: MadeKey): Promise<readonly number[]> {
  const free = await until(`${SLOTS} free slots`, async () => ((await reach(site, key)) === SLOTS ? SLOTS : null));
  return [free, await reach(site, key)];
}

const ALL_FREE = [SLOTS, SLOTS];

/** As many requests as there are slots, each client doing `act` once the app has them all, and then leaving. */
async function each(site: Site, request: string, act: Act): Promise<void> {
  const url = request.split(" ", 2)[1] ?? "";
  const before = seen(url);
  const clients = Array.from({ length: SLOTS }, () => connect(site.gateway.port, "127.0.0.1"));
  for (const client of clients) client.on("error", () => undefined).write(request);
  await until(`the app has ${url}`, () => seen(url) === before + SLOTS);
  await Promise.all(clients.map(act));
  for (const client of clients) client.destroy();
}

type Act = (socket: Socket) => void | Promise<void>;
const leaving: Act = () => undefined;
const leavingAtData: Act = async (socket) => void (await once(socket, "data"));

async function statuses(site: Site, request: string, times = SLOTS): Promise<readonly number[]> {
  const options = { idleMs: 5000, responses: 1, methods: [request.split(" ", 1)[0] ?? ""] };
  const asked = Array.from({ length: times }, () => rawExchange(site.gateway.port, request, options));
  return (await Promise.all(asked)).flatMap(({ responses }) => responses.map(({ status }) => status));
}

const all = (status: number) => Array.from({ length: SLOTS }, () => status);
const head = (method: string, path: string, key: MadeKey, ...more: readonly string[]) =>
  requestHead(method, `${path}?${key.id}`, [key.line, ...more]);
const get = (path: string, key: MadeKey) => head("GET", path, key);
const upgrade = (path: string, key: MadeKey) =>
  head(
    "GET",
    path,
    key,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    `Sec-WebSocket-Key: ${"A".repeat(22)}==`,
  );

interface Ending {
  readonly what: string;
  readonly request: (key: MadeKey) => string;
  /** What each client gets. */
  readonly status: number;
  readonly site?: Site;
}

const TOO_MUCH = `${BODY_BYTES_MAX.toString(16)}\r\n${"x".repeat(BODY_BYTES_MAX)}\r\n1\r\nx\r\n0\r\n\r\n`;

const ENDINGS: readonly Ending[] = [
  ...[200, 204, 304, 404, 500].map((status) => ({
    what: `an answer ${status}`,
    request: (key: MadeKey) => get(`/${status}`, key),
    status,
  })),
  { what: "an answer to HEAD", request: (key) => head("HEAD", "/ok", key), status: 200 },
  { what: "an app that dies before its answer", request: (key) => head("POST", "/dead", key), status: 502 },
  { what: "an app that dies and is asked again", request: (key) => get("/dead", key), status: 502 },
  { what: "an app that dies in its answer", request: (key) => get("/half", key), status: 200 },
  { what: "an app that is not there", request: (key) => get("/nobody", key), status: 502 },
  { what: "an app that speaks no HTTP", request: (key) => get("/odd", key), status: 502 },
  {
    what: "a body beyond what is allowed",
    request: (key) => head("POST", "/ok", key, "Transfer-Encoding: chunked") + TOO_MUCH,
    status: 413,
  },
  { what: "an app that does not answer in time", request: (key) => get("/silent", key), status: 504, site: hasty },
  { what: "an app that falls silent in its answer", request: (key) => get("/part", key), status: 200, site: hasty },
  { what: "an upgrade not answered in time", request: (key) => upgrade("/ws/silent", key), status: 504, site: hasty },
  { what: "an upgrade that the app refuses", request: (key) => upgrade("/ws/403", key), status: 403 },
  { what: "an upgrade that the app breaks off", request: (key) => upgrade("/ws/dead", key), status: 502 },
];

test.concurrent.each(ENDINGS)("after $what all slots are free", async ({ request, status, site = scene }) => {
  const key = await site.operator.key();
  expect(await statuses(site, request(key))).toEqual(all(status));
  expect(await freeSlots(site, key)).toEqual(ALL_FREE);
});

const LEAVINGS: readonly { readonly what: string; readonly request: (key: MadeKey) => string; readonly act: Act }[] = [
  { what: "before the answer", request: (key) => get("/silent", key), act: leaving },
  {
    what: "in the middle of its body",
    request: (key) => `${head("POST", "/silent", key, "Content-Length: 10")}half`,
    act: leaving,
  },
  { what: "at the answer's head", request: (key) => get("/head", key), act: leavingAtData },
  { what: "in the middle of the answer", request: (key) => get("/part", key), act: leavingAtData },
  { what: "before its upgrade is answered", request: (key) => upgrade("/ws/silent", key), act: leaving },
];

test.concurrent.each(LEAVINGS)("after a client that leaves $what all slots are free", async ({ request, act }) => {
  const key = await scene.operator.key();
  await each(scene, request(key), act);
  expect(await freeSlots(scene, key)).toEqual(ALL_FREE);
});

test("after a refusal by a quota behind the limit, at once or in a race, all slots are free", async () => {
  const key = await scene.operator.key();
  using crowd = await openCrowd(scene.gateway.port, 60);
  // Slots and quota refuse side by side until the five units are used; from then on the quota alone.
  while (!("402" in (await crowd.ask(get("/scarce", key)).all)));
  expect(await crowd.ask(get("/scarce", key)).all).toEqual({ 402: 60 });
  expect(await scene.operator.used(key.account, "scarce")).toBe(5);
  expect(await freeSlots(scene, key)).toEqual(ALL_FREE);
});

test("after clients that leave before anything is known of them all slots are free", async () => {
  // Keys nobody has seen: the worker asks the main thread first.
  const keys = await Promise.all(Array.from({ length: SLOTS }, () => scene.operator.key()));
  const clients = keys.map((key) => {
    const client = connect(scene.gateway.port, "127.0.0.1");
    client.on("error", () => undefined).write(get("/silent", key), () => client.resetAndDestroy());
    return once(client, "close");
  });
  await Promise.all(clients);
  for (const key of keys) expect(await freeSlots(scene, key)).toEqual(ALL_FREE);
});

test("a WebSocket holds its slot while it is open, and its end frees it, whoever ends it", async () => {
  const key = await scene.operator.key();
  const dial = () =>
    new WebSocket(`ws://127.0.0.1:${scene.gateway.port}/ws?tunnel`, {
      headers: { authorization: `Bearer ${key.secret}` },
    });
  const ends: readonly ((socket: WebSocket) => void)[] = [
    (socket) => socket.close(),
    (socket) => socket.terminate(),
    // The app closes it then.
    (socket) => socket.send("bye"),
  ];
  for (const end of ends) {
    const open = Array.from({ length: SLOTS }, dial);
    await Promise.all(open.map((socket) => once(socket, "open")));
    expect(await reach(scene, key)).toBe(0);
    expect(await statuses(scene, upgrade("/ws", key))).toEqual(all(429));
    for (const socket of open) end(socket);
    await Promise.all(open.map((socket) => once(socket, "close")));
    expect(await freeSlots(scene, key)).toEqual(ALL_FREE);
  }
});

test("a limit by address holds for callers nobody knows, and frees alike", async () => {
  const { gateway } = scene;
  const open = requestHead("GET", "/open/silent");
  using crowd = await openCrowd(gateway.port, SLOTS + 2);
  const answers = crowd.ask(open);
  await until("two are refused", () => answers.count === 2 && seen("/open/silent") === SLOTS);
  expect(answers.counts()).toEqual({ 429: 2 });
  crowd[Symbol.dispose]();
  await until("slots are free", async () => (await statuses(scene, requestHead("GET", "/open/ok"), 1))[0] === 200);
});

test("a limit in shadow refuses nobody, and says what it would have refused", async () => {
  const key = await scene.operator.key();
  const told = () =>
    scene.gateway.logs().filter(({ event, reason }) => event === "shadow" && reason === "concurrency:shadow").length;
  const before = told();
  using crowd = await openCrowd(scene.gateway.port, 20);
  expect(await crowd.ask(get("/shadow", key)).all).toEqual({ 200: 20 });
  await until("it is in the log", () => told() > before);
});

test("what a dead worker held is free again, also of requests, tunnels and units it had reserved", async () => {
  const { gateway, operator } = scene;
  const [requests, tunnels] = [await operator.key(), await operator.key()];
  const open = Array.from({ length: SLOTS }, () => {
    const headers = { authorization: `Bearer ${tunnels.secret}` };
    return new WebSocket(`ws://127.0.0.1:${gateway.port}/ws?tunnel`, { headers }).on("error", () => undefined);
  });
  await Promise.all(open.map((socket) => once(socket, "open")));
  await each(scene, get("/silent", requests), async (socket) => {
    await killOnce(gateway);
    if (!socket.closed) await once(socket, "close");
  });
  for (const key of [requests, tunnels]) expect(await freeSlots(scene, key)).toEqual(ALL_FREE);
  // The probes of `expectAllFree` are charged, and so are the tunnels; what had no answer when its worker died is not.
  const probes = seen(`/hold?${requests.id}`);
  expect(await operator.used(requests.account)).toBe(probes);
  expect(await operator.used(tunnels.account)).toBe(SLOTS + seen(`/hold?${tunnels.id}`));
});

let killed: Promise<void> | null = null;
function killOnce(gateway: Site["gateway"]): Promise<void> {
  killed ??= killer.killWorkers(gateway);
  return killed;
}

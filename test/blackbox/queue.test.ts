/** Requests that wait for a connection to their upstream: how many may, for how long, and that every way out frees the place. */
import { connect } from "node:net";
import { expect, test } from "vitest";
import { openConnection } from "#test/support/connection.ts";
import { metricOf } from "#test/support/metrics.ts";
import { rawExchange, requestHead } from "#test/support/raw.ts";
import { askJson, type Scene, startScene } from "#test/support/scene.ts";
import { startServer, type TestServer } from "#test/support/server.ts";
import { until } from "#test/support/until.ts";

/** An app that answers when it is told to. */
class HoldingApp implements AsyncDisposable {
  readonly #server: TestServer;
  readonly #held: (() => void)[] = [];

  constructor(server: TestServer) {
    this.#server = server;
    server.server.on("request", (request, response) => {
      if (request.url === "/reset") return void response.destroy();
      this.#held.push(() => response.end("ok"));
    });
  }

  static async start(): Promise<HoldingApp> {
    return new HoldingApp(await startServer(() => undefined));
  }

  get url(): string {
    return this.#server.url;
  }

  get holds(): number {
    return this.#held.length;
  }

  answerAll(): void {
    for (const answer of this.#held.splice(0)) answer();
  }

  /** So many, as they come. */
  async answerNext(count: number): Promise<void> {
    for (let left = count; left > 0; ) {
      await until("the app has more", () => this.holds > 0);
      left -= this.holds;
      this.answerAll();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
  }
}

function sceneOf(app: HoldingApp, upstream: object, limits: object = {}): Promise<Scene> {
  return startScene({
    config: {
      server: { workers: 1, limits },
      upstreams: { app: { targets: [app.url], ...upstream } },
      routes: [{ name: "open", match: { path: "/**" }, upstream: "app", auth: "none" }],
    },
  });
}

const refusals = ({ gateway }: Scene) => metricOf(gateway, "tollgate_queue_refusals_total");

test("as many wait as may; one more is refused at once, and the others get their answers", async () => {
  await using app = await HoldingApp.start();
  await using scene = await sceneOf(app, { connections: 2, queue: { max: 3, timeout: "60s" } });
  const asked = Array.from({ length: 5 }, () => askJson(`${scene.gateway.url}/x`));
  await until("two are at the app, three wait", async () => {
    const underWay = await metricOf(scene.gateway, "tollgate_requests_in_flight");
    return app.holds === 2 && underWay === 5;
  });
  const refused = await askJson(`${scene.gateway.url}/x`);
  expect([refused.status, refused.body.error, refused.headers.get("retry-after")]).toEqual([503, "overloaded", "1"]);
  expect(await refusals(scene)).toBe(1);
  const done = Promise.all(asked);
  await app.answerNext(5);
  expect((await done).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
});

test("who has waited for so long is refused; who has a connection is not", async () => {
  await using app = await HoldingApp.start();
  await using scene = await sceneOf(app, { connections: 1, queue: { max: 5, timeout: "300ms" } });
  const first = askJson(`${scene.gateway.url}/x`);
  await until("the first is at the app", () => app.holds === 1);
  const asked = performance.now();
  expect((await askJson(`${scene.gateway.url}/x`)).status).toBe(503);
  expect(performance.now() - asked).toBeGreaterThan(290);
  app.answerAll();
  expect((await first).status).toBe(200);
});

test("a place is free again however its request ends: clients that leave, uploads that break rules, apps that break off", async () => {
  await using app = await HoldingApp.start();
  await using scene = await sceneOf(app, { connections: 1, queue: { max: 1, timeout: "60s" } }, { bodyBytes: 100 });
  const { gateway } = scene;
  const isOver = async () => (await metricOf(gateway, "tollgate_requests_in_flight")) === 0;
  for (let round = 0; round < 3; round++) {
    const leavers = [1, 2].map(() => connect(gateway.port, "127.0.0.1"));
    for (const leaver of leavers) leaver.on("error", () => undefined).write(requestHead("GET", "/x"));
    await until("one is at the app, one waits", async () => {
      const underWay = await metricOf(gateway, "tollgate_requests_in_flight");
      return app.holds === 1 && underWay === 2;
    });
    for (const leaver of leavers) leaver.destroy();
    await until("both are gone", isOver);
    app.answerAll();
    const endless = `${requestHead("POST", "/x", ["Transfer-Encoding: chunked"])}65\r\n${"a".repeat(101)}\r\n`;
    expect((await rawExchange(gateway.port, endless, { responses: 1 })).responses[0]?.status).toBe(413);
    app.answerAll();
    expect((await askJson(`${gateway.url}/reset`)).status).toBe(502);
    await until("all is over", isOver);
  }
  using one = await openConnection(gateway.port);
  using two = await openConnection(gateway.port);
  const both = Promise.all([one, two].map((connection) => connection.ask("GET", "/x")));
  await app.answerNext(2);
  expect((await both).map(({ status }) => status)).toEqual([200, 200]);
  expect(await refusals(scene)).toBe(0);
});

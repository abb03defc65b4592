/** The life of connections that speak TLS: handshakes that never end, stops, workers that are replaced, versions that are too old. */
import { once } from "node:events";
import { afterAll, describe, expect, test } from "vitest";
import { workerKiller } from "#test/support/killable.ts";
import { LANES } from "#test/support/lanes.ts";
import { metricOf } from "#test/support/metrics.ts";
import { startGateway } from "#test/support/process.ts";
import { withConstants } from "#test/support/patched.ts";
import { requestHead } from "#test/support/raw.ts";
import { until } from "#test/support/until.ts";
import { app, closed, configOf, converse, dial, dialPlain, first, slow } from "./client-tls.ts";

afterAll(() => app[Symbol.asyncDispose]());

describe.each(LANES)("lane %s", (lane) => {
  test("a stop lets a request under way end", async () => {
    await using gateway = await startGateway(configOf(lane, first));
    const socket = await dial(gateway.port, first);
    let text = "";
    socket.on("data", (part) => (text += part.toString("latin1")));
    slow.release = null;
    socket.write(requestHead("GET", "/slow"));
    const answer = await until("the app has it", () => slow.release);
    const stopped = gateway.stop();
    await until("it drains", () => gateway.logs().some(({ event }) => event === "stopping"));
    answer();
    await closed(socket);
    expect([text.endsWith("late"), await stopped]).toEqual([true, 0]);
  });

  test("a client that shakes no hands holds no place for long, and one without TLS none at all", async () => {
    const server = { workers: 1, limits: { connections: 4, headerTimeout: "7s" } };
    await using gateway = await startGateway(configOf(lane, first, server));
    const silent = Array.from({ length: 12 }, () => dialPlain(gateway.port));
    await until("the oldest had to go", () => silent.filter(({ destroyed }) => destroyed).length >= 8);
    const good = await dial(gateway.port, first);
    expect(await converse(good, requestHead("GET", "/good"), /\r\n\r\n/)).toMatch(/^HTTP\/1\.1 200/);
    await Promise.all(silent.map(closed));

    const plain = dialPlain(gateway.port);
    plain.write(requestHead("GET", "/plain"));
    await closed(plain);
    good.destroy();
    const again = await Promise.all([1, 2, 3, 4].map(() => dial(gateway.port, first)));
    for (const socket of again) expect(await converse(socket, requestHead("GET", "/"), /\r\n\r\n/)).toMatch(/ 200 /);
    for (const socket of again) socket.destroy();
    await until("all places are free", async () => (await metricOf(gateway, "tollgate_connections")) === 0);
  });

  test("the time to shake hands follows a reload", async () => {
    const server = (headerTimeout: string) => configOf(lane, first, { limits: { headerTimeout } });
    await using gateway = await startGateway(server("60s"));
    const silent = () => dialPlain(gateway.port);
    const before = silent();
    await once(before, "connect");
    expect((await gateway.reload(server("500ms"))).event).toBe("reloaded");
    const started = performance.now();
    const after = silent();
    await closed(after);
    expect(performance.now() - started).toBeGreaterThan(450);
    expect(performance.now() - started).toBeLessThan(5000);
    // Once hands are shaken, it is over.
    const good = await dial(gateway.port, first);
    slow.release = null;
    const answered = converse(good, requestHead("GET", "/slow"), /late/);
    const answer = await until("the request is there", () => slow.release);
    await new Promise((resolve) => void setTimeout(resolve, 800));
    answer();
    expect(await answered).toMatch(/^HTTP\/1\.1 200/);
    expect(before.destroyed).toBe(false);
    expect((await gateway.reload(server("60s"))).event).toBe("reloaded");
    const patient = silent();
    await once(patient, "connect");
    await new Promise((resolve) => void setTimeout(resolve, 1500));
    expect(patient.destroyed).toBe(false);
    for (const socket of [before, good, patient]) socket.destroy();
  });

  test("clients that reset once they have sent something are let go, also those whose reset node does not tell", async () => {
    const quick = withConstants([
      { file: "data-plane/tls-front.ts", line: "LOOK_MS = 5000", instead: "LOOK_MS = 100" },
    ]);
    await using gateway = await startGateway(configOf(lane, first, { workers: 1 }), quick);
    const upgrade = [
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    const sent = [
      "bad\r\n\r\n",
      requestHead("GET", "/one"),
      requestHead("GET", "/one") + requestHead("GET", "/chat", upgrade),
    ];
    for (let round = 0; round < 60; round++) {
      const raw = dialPlain(gateway.port);
      await once(raw, "connect");
      const socket = await dial(gateway.port, first, { socket: raw });
      socket.on("error", () => undefined).write(sent[round % 3] ?? "");
      if (round % 2 === 0) await new Promise((resolve) => void setTimeout(resolve, 1));
      raw.resetAndDestroy();
    }
    const areFree = async () => (await metricOf(gateway, "tollgate_connections")) === 0;
    expect(await until("all places are free", areFree)).toBe(true);
  });

  test("a stop waits for no handshake; health asks over TLS", async () => {
    await using gateway = await startGateway(configOf(lane, first, { limits: { headerTimeout: "30s" } }));
    const health = await gateway.cli("health");
    expect([health.code, health.stdout]).toEqual([0, expect.stringMatching(/^https:\S+ is ready\n$/)]);
    const silent = dialPlain(gateway.port);
    await until("it is there", async () => (await metricOf(gateway, "tollgate_connections")) > 0);
    const started = performance.now();
    expect(await gateway.stop()).toBe(0);
    expect(performance.now() - started).toBeLessThan(10_000);
    await closed(silent);
  });

  test("a worker that is replaced after a reload without tls speaks TLS as before", async () => {
    using killer = workerKiller();
    await using gateway = await startGateway(configOf(lane, first), killer.options);
    expect((await gateway.reload({ ...configOf(lane, {}), server: { workers: 2, lane } })).event).toBe("reloaded");
    await killer.killWorkers(gateway);
    const dialled = await Promise.all(Array.from({ length: 8 }, () => dial(gateway.port, first)));
    for (const socket of dialled) socket.destroy();
    const plain = dialPlain(gateway.port);
    plain.write(requestHead("GET", "/plain"));
    await closed(plain);
    expect(plain.bytesRead).toBe(0);
  });

  test("minVersion keeps older versions out", async () => {
    await using gateway = await startGateway(configOf(lane, { ...first, minVersion: "TLSv1.3" }));
    await expect(dial(gateway.port, first, { maxVersion: "TLSv1.2" })).rejects.toThrow(/protocol version/);
    (await dial(gateway.port, first)).destroy();
  });
});

/** A crowd that comes at once and stays busy: nobody waits at the door while others are served again and again. */
import { connect, type Socket } from "node:net";
import { expect, test } from "vitest";
import { withConstants } from "#test/support/patched.ts";
import { startGateway } from "#test/support/process.ts";
import { requestHead } from "#test/support/raw.ts";
import { startServer } from "#test/support/server.ts";
import { until } from "#test/support/until.ts";

/** What a request costs the gateway, so that it is what the crowd waits for, and not this process. */
const BUSY_GATE = {
  file: "data-plane/gate.ts",
  line: "    const runtime = this.#runtime;\n    const requestId",
  instead:
    "    for (const end = performance.now() + 0.5; performance.now() < end; );\n    const runtime = this.#runtime;\n    const requestId",
};
const CLIENTS = 600;
/** Answers that those in the middle have had by when all have had one. */
const MIDDLE_ANSWERS = 10;

test(`of ${CLIENTS} clients that ask on and on, all have had an answer before half of them have had ${MIDDLE_ANSWERS}; none is refused`, async () => {
  await using app = await startServer((_request, response) => response.end("ok"));
  const config = {
    server: { workers: 1 },
    upstreams: { app: { targets: [app.url] } },
    routes: [{ name: "open", match: { path: "/open" }, upstream: "app", auth: "none" }],
  };
  await using gateway = await startGateway(config, withConstants([BUSY_GATE]));
  const request = requestHead("GET", "/open");
  const answers = Array.from({ length: CLIENTS }, () => 0);
  const heads = new Set<string>();
  const sockets = answers.map((_, client): Socket => {
    const socket = connect(gateway.port, "127.0.0.1", () => void socket.write(request));
    // What belongs to one answer comes in one piece: it is small, and is written with one call.
    socket.on("data", (bytes) => {
      heads.add(bytes.toString("latin1", 0, 12));
      answers[client] = (answers[client] ?? 0) + 1;
      socket.write(request);
    });
    return socket.on("error", () => undefined);
  });
  const middle = () => answers.toSorted((one, other) => one - other)[CLIENTS / 2] ?? 0;
  await until("half of them have had theirs", () => middle() >= MIDDLE_ANSWERS, 25_000, 5);
  const waiting = answers.filter((count) => count === 0).length;
  for (const socket of sockets) socket.destroy();
  expect([waiting, [...heads]]).toEqual([0, ["HTTP/1.1 200"]]);
});

/** Gateways that speak TLS to their clients, an app behind them that answers as it was asked, and clients' connections. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from "node:tls";
import { WebSocketServer } from "ws";
import { type Certificate, makeCertificate } from "#test/support/certificate.ts";
import { startServer } from "#test/support/server.ts";
import { until } from "#test/support/until.ts";

export const first = makeCertificate();

/** `release` answers the request for /slow; null: it has not come. */
export const slow: { release: (() => void) | null } = { release: null };
export const app = await startServer((asked, response) => {
  if (asked.url === "/slow") return void (slow.release = () => response.end("late"));
  response.setHeader("x-seen", `${asked.headers["x-forwarded-proto"]} ${asked.headers.host}`);
  asked.pipe(response);
});
const sockets = new WebSocketServer({ server: app.server });
sockets.on("connection", (socket) => socket.on("message", (data) => socket.send(`echo ${data}`)));

export function configOf(lane: string, tls: object, server: object = {}) {
  return {
    server: { workers: 2, lane, tls, ...server },
    upstreams: { app: { targets: [app.url] } },
    routes: [{ name: "all", match: { path: "/**" }, upstream: "app", auth: "none" }],
  };
}

/** A connection on which nothing was sent yet. */
export function dialPlain(port: number): Socket {
  return connect(port, "127.0.0.1").on("error", () => undefined);
}

/** A connection with its handshake done. */
export async function dial(port: number, { cert }: Certificate, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connectTls({ port, host: "127.0.0.1", servername: "localhost", ca: cert, ...options });
  await once(socket, "secureConnect");
  return socket;
}

/** Sends, and reads until `end` is there. */
export async function converse(socket: TLSSocket, bytes: string, end: RegExp): Promise<string> {
  let text = "";
  socket.on("data", (part) => (text += part.toString("latin1")));
  socket.write(bytes);
  await until(`${end}`, () => end.test(text));
  return text;
}

export async function closed(socket: Socket): Promise<void> {
  if (!socket.closed) await new Promise<void>((resolve) => void socket.on("close", () => resolve()));
}

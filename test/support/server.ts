/**
 * A bare server behind the gateway for tests that answer before the request is whole, write odd bytes or break off:
 * the handler has node's own objects. For whole requests and their records see upstream.ts.
 */
import { createServer, type RequestListener, type Server, type ServerOptions } from "node:http";
import { createServer as createTcpServer, type AddressInfo, type Server as TcpServer, type Socket } from "node:net";

export interface TestServer<S = Server> extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly server: S;
}

export function startServer(handler: RequestListener, options: ServerOptions = {}): Promise<TestServer> {
  return listen(createServer(options, handler));
}

/** The handler gets each connection. */
export function startTcp(handler: (socket: Socket) => void): Promise<TestServer<TcpServer>> {
  return listen(
    createTcpServer((socket) => {
      socket.on("error", () => socket.destroy());
      handler(socket);
    }),
  );
}

/** A port of loopback on which nobody listens. */
export async function freePort(): Promise<number> {
  await using server = await startTcp(() => undefined);
  return server.port;
}

async function listen<S extends TcpServer>(server: S): Promise<TestServer<S>> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  // A TCP listener's address is never a string or null.
  const { port } = server.address() as AddressInfo;
  const close = async () => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  return { url: `http://127.0.0.1:${port}`, port, server, [Symbol.asyncDispose]: close };
}

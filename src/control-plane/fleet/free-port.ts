/** Whether nobody listens on an address yet. Main thread. Workers share their port (SO_REUSEPORT), so two gateways would not notice each other. */
import { createServer } from "node:net";
import type { Address } from "#config/settings.ts";

/** Resolves when the address can be listened on by one alone; rejects with a clear message when not. Port 0 always can. */
export async function assertFree({ host, port }: Address): Promise<void> {
  const server = createServer();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", (error: NodeJS.ErrnoException) => {
    const why = error.code === "EADDRINUSE" ? "another process listens there" : error.message;
    reject(new Error(`Cannot listen on ${host}:${port}: ${why}`, { cause: error }));
  });
  server.listen({ host, port, exclusive: true }, () => server.close(() => resolve()));
  return promise;
}

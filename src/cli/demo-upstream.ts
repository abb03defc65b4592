/** The app behind the demo: a small model shop on 127.0.0.1:9000 that knows nothing of the gateway. Main thread of `start --demo`. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";

/** Listens at the address of a target URL; rejects when it is taken. */
export async function startDemoUpstream(target: string): Promise<Server> {
  const { hostname, port } = new URL(target);
  const server = createServer(answer);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(Number(port), hostname, resolve);
  });
  return server;
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  const model = /^\/models\/([^/?]+)/.exec(request.url ?? "")?.[1] ?? null;
  const caller = {
    account: request.headers["x-tollgate-account"] ?? null,
    plan: request.headers["x-tollgate-plan"] ?? null,
  };
  request.resume();
  response.writeHead(200, { "content-type": "application/json" });
  response.end(`${JSON.stringify({ model, answer: "Hello from the demo upstream", caller })}\n`);
}

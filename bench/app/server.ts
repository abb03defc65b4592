/**
 * The app behind the gateway in a benchmark: a bare node:http server with keep-alive and one small JSON answer, once it has read the
 * request's body. A process of its own; prints its port as its first line. Does nothing that would cost more than answering.
 */
import { createServer } from "node:http";

const BODY = JSON.stringify({ id: "m1", object: "model", created: 1_760_000_000, owned_by: "bench" });
const HEADERS = { "content-type": "application/json", "content-length": String(Buffer.byteLength(BODY)) };

const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  request.resume().on("end", () => response.writeHead(200, HEADERS).end(BODY));
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  console.log(typeof address === "object" && address !== null ? address.port : "");
});

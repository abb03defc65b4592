// fast-gateway as a bare proxy: `node fast-gateway.mjs PORT UPSTREAM`.
import gateway from "fast-gateway";

const [port, target] = process.argv.slice(2);
// Its own defaults: keep-alive agent with up to 2048 sockets.
await gateway({
  enableServicesEndpoint: false,
  routes: [{ prefix: "/models", prefixRewrite: "/models", target }],
}).start(Number(port), "127.0.0.1");

// http-proxy-3 as a bare proxy: `node http-proxy-3.mjs PORT UPSTREAM`.
import http from "node:http";
import { createProxyServer } from "http-proxy-3";

const [port, target] = process.argv.slice(2);
// Without an agent it opens a connection for each request, which nobody would do under load.
const agent = new http.Agent({ keepAlive: true, maxSockets: 256, maxFreeSockets: 256 });
const proxy = createProxyServer({ target, agent, xfwd: true });
proxy.on("error", (_error, _request, response) => response.writeHead(502).end());
http.createServer((request, response) => proxy.web(request, response)).listen(Number(port), "127.0.0.1");

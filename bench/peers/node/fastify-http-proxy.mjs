// @fastify/http-proxy: `node fastify-http-proxy.mjs PORT UPSTREAM bare|key|jwt DIR`.
// bare: the proxy alone. jwt: @fastify/jwt and @fastify/rate-limit in front of it. key: an API key by a map, and @fastify/rate-limit.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fastifyProxy from "@fastify/http-proxy";
import fastifyJwt from "@fastify/jwt";
import rateLimit from "@fastify/rate-limit";
import fastify from "fastify";

const [port, upstream, mode, dir] = process.argv.slice(2);
// No request log: the others write none either.
const app = fastify({ logger: false });

if (mode === "jwt") {
  // The cache of verified tokens is off by default; on, it is what this gateway does too.
  const publicKey = readFileSync(join(dir, "public.pem"));
  const verify = { cache: true, allowedIss: "https://bench.test", allowedAud: "bench", algorithms: ["RS256"] };
  await app.register(fastifyJwt, { secret: { public: publicKey }, verify });
  app.addHook("onRequest", async (request) => {
    await request.jwtVerify();
    request.account = request.user.sub;
  });
}
if (mode === "key") {
  const accounts = new Map(
    readFileSync(join(dir, "keys.map"), "utf8")
      .trim()
      .split("\n")
      .map((line) => line.split(" ")),
  );
  app.addHook("onRequest", async (request, reply) => {
    const account = accounts.get(request.headers.authorization?.slice("Bearer ".length) ?? "");
    if (account === undefined) return reply.code(401).send({ error: "Unknown key" });
    request.account = account;
  });
}
if (mode !== "bare") {
  await app.register(rateLimit, {
    global: true,
    hook: "preHandler",
    max: 100_000_000,
    timeWindow: 60_000,
    // Its default store is a map in memory, as it should be for one process.
    keyGenerator: (request) => request.account,
    enableDraftSpec: true,
  });
}
await app.register(fastifyProxy, {
  upstream,
  // As many connections as the others may open; undici's pool has no limit by default, and pipelining 1 is its default too.
  undici: { connections: 256, pipelining: 1, keepAliveTimeout: 60_000 },
  replyOptions: {
    rewriteRequestHeaders: (request, headers) =>
      mode === "bare" ? headers : { ...headers, "x-account": request.account, authorization: undefined },
  },
});
await app.listen({ port: Number(port), host: "127.0.0.1" });

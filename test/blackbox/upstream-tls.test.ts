/** Upstreams that speak TLS: reached when their certificate is good for their name, never otherwise. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { type Certificate, makeCertificate } from "#test/support/certificate.ts";
import { startScene } from "#test/support/scene.ts";

const dir = mkdtempSync(join(tmpdir(), "tollgate-test-"));
const good = makeCertificate();
const ofAnother = makeCertificate("another.test");
const authority = join(dir, "ca.pem");
writeFileSync(authority, good.cert + ofAnother.cert);

let handshakes = 0;
let requests = 0;
async function startApp(certificate: Certificate): Promise<{ server: Server; port: number }> {
  const server = createServer(certificate, (request, response) => {
    requests++;
    request.pipe(response);
  });
  server.on("secureConnection", () => handshakes++).listen(0, "127.0.0.1");
  await once(server, "listening");
  // Just listening on a port.
  return { server, port: (server.address() as AddressInfo).port };
}
const app = await startApp(good);
const another = await startApp(ofAnother);

const config = {
  upstreams: {
    named: { targets: [`https://localhost:${app.port}`] },
    address: { targets: [`https://127.0.0.1:${app.port}`] },
    another: { targets: [`https://localhost:${another.port}`] },
  },
  routes: ["named", "address", "another"].map((upstream) => ({
    name: upstream,
    match: { path: `/${upstream}` },
    upstream,
  })),
};
const trusting = await startScene({ config, gateway: { env: { NODE_EXTRA_CA_CERTS: authority } } });
const strict = await startScene({ config });

afterAll(async () => {
  await trusting[Symbol.asyncDispose]();
  await strict[Symbol.asyncDispose]();
  for (const { server } of [app, another]) server.close().closeAllConnections();
  rmSync(dir, { recursive: true });
});

async function post(scene: typeof strict, path: string, body: string): Promise<{ status: number; text: string }> {
  const { secret } = await scene.operator.key();
  const headers = { authorization: `Bearer ${secret}` };
  const answer = await fetch(`${scene.gateway.url}${path}`, { method: "POST", body, headers });
  return { status: answer.status, text: await answer.text() };
}

test.each(["/named", "/address"])("%s: requests and answers pass, over connections that are kept", async (path) => {
  const before = handshakes;
  for (const body of ["", "small", "large ".repeat(200_000)])
    expect(await post(trusting, path, body)).toEqual({ status: 200, text: body });
  // Two workers, one connection each.
  expect(handshakes - before).toBeLessThanOrEqual(2);
});

test.each([
  { what: "of nobody it trusts", scene: strict, path: "/named" },
  { what: "for another name", scene: trusting, path: "/another" },
])("a certificate $what: 502, and the app gets nothing", async ({ scene, path }) => {
  const before = requests;
  const answer = await post(scene, path, "secret");
  expect(answer.status).toBe(502);
  expect(JSON.parse(answer.text)).toMatchObject({ error: "upstream_unreachable" });
  expect(requests).toBe(before);
});

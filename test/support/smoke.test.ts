/**
 * Shows that the test support tells the truth, against its own upstream: what goes over the wire is what it reports.
 * Does not start a gateway.
 */
import { createPublicKey, verify } from "node:crypto";
import { expect, test } from "vitest";
import { startJwks } from "./jwks.ts";
import { makeKey, signToken, tamper } from "./jwt.ts";
import { readLog } from "./log.ts";
import { rawExchange, requestHead } from "./raw.ts";
import { startUpstream } from "./upstream.ts";

test("the upstream echoes a request and keeps its bytes", async () => {
  await using upstream = await startUpstream();
  const head = requestHead("POST", "/a?b=1", ["X-Twice: 1", "x-twice: 2", "Content-Length: 3", "Connection: close"]);
  const answer = await rawExchange(upstream.port, [head, "abc"]);
  expect(answer.closed).toBe(true);
  expect(answer.responses[0]?.json()).toEqual({
    method: "POST",
    url: "/a?b=1",
    headers: ["Host", "test", "X-Twice", "1", "x-twice", "2", "Content-Length", "3", "Connection", "close"],
    bodySha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    bodyLength: 3,
  });
  expect(upstream.last().head).toBe(head);
  expect(upstream.last().body.toString()).toBe("abc");
  expect(upstream.last().headers["x-twice"]).toBe("1, 2");
  expect(upstream.count).toBe(1);
});

test("a body that looks like a request does not confuse the recorded heads", async () => {
  await using upstream = await startUpstream();
  const body = requestHead("GET", "/2", ["X: from the body"]);
  const first = requestHead("POST", "/1", [`Content-Length: ${body.length}`]);
  const second = requestHead("GET", "/2");
  await rawExchange(upstream.port, [first + body, second], { responses: 2, chunkGapMs: 50 });
  expect(upstream.requests.map((request) => request.head)).toEqual([first, second]);
});

test("several pipelined responses are told apart, of a length, in chunks and to HEAD", async () => {
  await using upstream = await startUpstream((request, response) => {
    if (request.method === "HEAD") response.setHeader("content-length", "9");
    else if (request.url === "/chunks") response.write("one ");
    response.end(request.method === "HEAD" ? undefined : "two");
  });
  const requests = requestHead("GET", "/length") + requestHead("HEAD", "/head") + requestHead("GET", "/chunks");
  const answer = await rawExchange(upstream.port, requests, { responses: 3, methods: ["GET", "HEAD", "GET"] });
  expect(answer.closed).toBe(false);
  expect(answer.responses.map((response) => [response.status, response.complete, response.text()])).toEqual([
    [200, true, "two"],
    [200, true, ""],
    [200, true, "one two"],
  ]);
});

test("an answer can be changed, and a thrown error is a 500", async () => {
  await using upstream = await startUpstream();
  upstream.answer(() => {
    throw new Error("planned");
  });
  expect((await fetch(upstream.url)).status).toBe(500);
  upstream.answer((_request, response) => void response.writeHead(418).end());
  expect((await fetch(upstream.url)).status).toBe(418);
  upstream.clear();
  expect(upstream.count).toBe(0);
});

test.each(["RS256", "ES256", "EdDSA"] as const)(
  "a token signed with %s verifies with the published key",
  async (alg) => {
    await using jwks = await startJwks(makeKey(alg));
    const published = (await (await fetch(jwks.url)).json()) as { keys: [Record<string, string>] };
    const key = createPublicKey({ key: published.keys[0], format: "jwk" });
    expect(isSigned(jwks.token(), key)).toBe(true);
    expect(isSigned(tamper(jwks.token(), { sub: "other" }), key)).toBe(false);
    expect(isSigned(signToken(makeKey(alg)), key)).toBe(false);
  },
);

function isSigned(token: string, key: ReturnType<typeof createPublicKey>): boolean {
  const [header = "", payload = "", signature = ""] = token.split(".");
  const digest = key.asymmetricKeyType === "ed25519" ? null : "sha256";
  const input = Buffer.from(`${header}.${payload}`);
  return verify(digest, input, { key, dsaEncoding: "ieee-p1363" }, Buffer.from(signature, "base64url"));
}

test("the key-set server can be down, wrong and rotated, and counts", async () => {
  await using jwks = await startJwks();
  const before = jwks.keys[0];
  jwks.set({ down: true });
  await expect(fetch(jwks.url)).rejects.toThrow("fetch failed");
  jwks.set({ down: false, status: 503, body: "no" });
  expect((await fetch(jwks.url)).status).toBe(503);
  jwks.set({ status: 200, body: null });
  expect(jwks.rotate()).not.toBe(before);
  expect(await (await fetch(jwks.url)).json()).toMatchObject({ keys: [{ kid: jwks.keys[0]?.kid }] });
  expect(jwks.fetches).toBe(3);
});

test("log lines are read from mixed output, the unfinished last line left for later", () => {
  expect(readLog('starting\n{"event":"ready"}\n[1]\n{"event":"cut')).toEqual([{ event: "ready" }]);
});

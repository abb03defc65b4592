/** What a permitted request and its answer go through the gateway as: unchanged, byte for byte, but for what the gateway must say. */
import { afterAll, beforeEach, expect, test } from "vitest";
import { startJwks } from "#test/support/jwks.ts";
import { makeKey, signToken } from "#test/support/jwt.ts";
import { rawExchange, requestHead } from "#test/support/raw.ts";
import { startScene } from "#test/support/scene.ts";

const keys = [makeKey("RS256"), makeKey("ES256"), makeKey("EdDSA")];
const jwks = await startJwks(...keys);
const scene = await startScene({
  config: {
    identity: { issuers: [{ name: "main", issuer: jwks.issuer, jwks: jwks.url, audiences: ["api"] }] },
  },
});
const { gateway, upstream, operator } = scene;
const key = await operator.key();

afterAll(async () => {
  await scene[Symbol.asyncDispose]();
  await jwks.close();
});
beforeEach(() => {
  upstream.answer();
  upstream.clear();
});

test.each(keys)(
  "a request with a good $alg token reaches the upstream with the account of its subject",
  async (signer) => {
    const token = signToken(signer, { claims: { iss: jwks.issuer, aud: "api", sub: `user-${signer.alg}` } });
    const answer = await fetch(`${gateway.url}/a`, { headers: { authorization: `Bearer ${token}` } });
    expect(answer.status).toBe(200);
    expect(upstream.last().headers).toMatchObject({
      "x-tollgate-account": `user-${signer.alg}`,
      "x-tollgate-user": `user-${signer.alg}`,
      "x-tollgate-plan": "free",
    });
    expect(upstream.last().headers.authorization).toBeUndefined();
  },
);

test("a key passes in Authorization and in X-API-Key, and goes no further", async () => {
  for (const line of [key.line, `X-API-Key: ${key.secret}`]) {
    const { responses } = await rawExchange(gateway.port, requestHead("GET", "/a", [line]), { responses: 1 });
    expect(responses[0]?.status).toBe(200);
    expect(upstream.last().head).not.toContain(key.secret);
    expect(upstream.last().headers["x-tollgate-key-id"]).toBe(key.id);
  }
});

test.each([
  ["odd bytes", "?a=[]{}|^`\"<>'()*!$&+,;:@~=?/"],
  ["duplicate keys", "?a=1&a=2&A=3&a"],
  ["encoded characters", "?q=%20%2F%2f%C3%A9%ff%00+%41%7e"],
  ["broken escapes", "?q=%&r=%zz&=&&"],
  ["nothing after the mark", "?"],
])("a query string with %s arrives as it was sent", async (_what, query) => {
  const head = requestHead("GET", `/a/b${query}`, [key.line]);
  const { responses } = await rawExchange(gateway.port, head, { responses: 1 });
  expect(responses[0]?.status).toBe(200);
  expect(upstream.last().url).toBe(`/a/b${query}`);
});

test("request headers arrive in their order and case, repeated lines and obs-text kept", async () => {
  const lines = [
    "X-Zed: 1",
    "aCCept: b",
    "x-zed: 2",
    "X-Bytes: \xe9\xff\x80 end",
    'Cookie: a=1; b="2"',
    "X-Empty: ",
    "X-Zed: 3",
  ];
  const { responses } = await rawExchange(gateway.port, requestHead("GET", "/a", [key.line, ...lines]), {
    responses: 1,
  });
  expect(responses[0]?.status).toBe(200);
  const arrived = upstream
    .last()
    .head.split("\r\n")
    .filter((line) => /^(?:x-zed|accept|x-bytes|cookie|x-empty):/i.test(line));
  expect(arrived.map((line) => line.replace(/: $/, ":"))).toEqual(lines.map((line) => line.replace(/: $/, ":")));
});

test("every byte value of a body arrives, with its length, and comes back", async () => {
  const body = Buffer.from(Array.from({ length: 256 }, (_, value) => value));
  upstream.answer((request, response) => void response.writeHead(200, { "content-length": 256 }).end(request.body));
  const head = requestHead("POST", "/a", [key.line, "Content-Length: 256"]);
  const { responses } = await rawExchange(gateway.port, [head, body], { responses: 1 });
  expect(upstream.last().body).toEqual(body);
  expect(upstream.last().headers).toMatchObject({ "content-length": "256" });
  expect(responses[0]?.body).toEqual(body);
});

test("a chunked body arrives chunked and whole, however it was cut", async () => {
  const head = requestHead("POST", "/a", [key.line, "Transfer-Encoding: chunked"]);
  const pieces = [head, "5\r\nhel", "lo\r\n", "1;ext=1\r\n \r", "\n5\r\nworld\r\n", "0\r\n", "\r\n"];
  const { responses } = await rawExchange(gateway.port, pieces, { responses: 1 });
  expect(responses[0]?.status).toBe(200);
  expect(upstream.last().body.toString()).toBe("hello world");
  expect(upstream.last().headers["transfer-encoding"]).toBe("chunked");
  expect(upstream.last().headers["content-length"]).toBeUndefined();
});

test("status, reason, header lines and body of the answer come back as the upstream wrote them", async () => {
  const lines = [
    "X-Bytes",
    "\xe9\xff",
    "set-cookie",
    "a=1; Path=/",
    "Set-Cookie",
    "b=2, c",
    "x-UPPER",
    "1",
    "x-upper",
    "2",
  ];
  upstream.answer((_request, response) => {
    // A buffer: behind a text, node writes the head as UTF-8 too.
    response.writeHead(299, "Odd Reason (yes)", [...lines, "content-length", "2"]).end(Buffer.from("ok"));
  });
  const { responses } = await rawExchange(gateway.port, requestHead("GET", "/a", [key.line]), { responses: 1 });
  const [answer] = responses;
  expect([answer?.status, answer?.reason, answer?.text()]).toEqual([299, "Odd Reason (yes)", "ok"]);
  const kept = (answer?.rawHeaders ?? []).filter(([name]) => /^(?:x-bytes|set-cookie|x-upper)$/i.test(name));
  expect(kept.flat()).toEqual(lines);
  expect(answer?.header("x-request-id")).toBe(upstream.last().headers["x-request-id"]);
});

test("HEAD, 204 and 304 have no body, and the length HEAD names is the upstream's", async () => {
  upstream.answer((request, response) => {
    if (request.method === "HEAD") response.writeHead(200, { "content-length": "1234" });
    else if (request.url === "/304") response.writeHead(304, { etag: '"x"' });
    else response.writeHead(204);
    response.end();
  });
  const requests = [
    ["HEAD", "/a"],
    ["GET", "/204"],
    ["GET", "/304"],
  ] as const;
  const sent = requests.map(([method, target]) => requestHead(method, target, [key.line])).join("");
  const { responses } = await rawExchange(gateway.port, sent, {
    responses: 3,
    methods: requests.map(([method]) => method),
  });
  expect(responses.map(({ status, body }) => [status, body.length])).toEqual([
    [200, 0],
    [204, 0],
    [304, 0],
  ]);
  expect(responses[0]?.header("content-length")).toBe("1234");
  expect(responses[1]?.header("transfer-encoding")).toBeNull();
  expect(responses[2]?.header("etag")).toBe('"x"');
});

test("trailers of a chunked answer come back", async () => {
  upstream.answer((_request, response) => {
    response.writeHead(200, { trailer: "X-Checksum" });
    response.write("body");
    response.addTrailers({ "X-Checksum": "abc" });
    response.end();
  });
  const { text } = await rawExchange(gateway.port, requestHead("GET", "/a", [key.line, "TE: trailers"]), {
    responses: 1,
  });
  expect(text).toMatch(/\r\n0\r\nX-Checksum: abc\r\n\r\n$/i);
});

test("an HTTP/1.0 client gets a body it can read, and the connection ends after it", async () => {
  upstream.answer((_request, response) => {
    response.write("in ");
    response.end("pieces");
  });
  const sent = `GET /a HTTP/1.0\r\nHost: test\r\n${key.line}\r\n\r\n`;
  const { responses, closed } = await rawExchange(gateway.port, sent);
  expect(closed).toBe(true);
  expect(responses[0]?.header("transfer-encoding")).toBeNull();
  expect(responses[0]?.text()).toBe("in pieces");
});

test("pipelined requests are answered in order, also when the first one takes longest", async () => {
  const targets = ["/first", "/second", "/last"];
  upstream.answer((request, response) => {
    setTimeout(() => response.end(request.url), request.url === "/first" ? 50 : 0);
  });
  const sent = targets.map((target) => requestHead("GET", target, [key.line])).join("");
  const { responses } = await rawExchange(gateway.port, sent, { responses: 3 });
  expect(responses.map((response) => response.text())).toEqual(targets);
});

/** Identity headers are the gateway's to write: a client's own never reach the app, however they are spelled. And the plain form of refusals. */
import { afterAll, beforeEach, expect, test } from "vitest";
import { rawExchange, requestHead } from "#test/support/raw.ts";
import type { RawResponse } from "#test/support/raw-response.ts";
import { startScene } from "#test/support/scene.ts";

const scene = await startScene();
const { gateway, upstream, operator } = scene;
const key = await operator.key();

afterAll(() => scene[Symbol.asyncDispose]());
beforeEach(() => upstream.clear());

async function ask(lines: readonly string[]): Promise<RawResponse> {
  const { responses } = await rawExchange(gateway.port, requestHead("GET", "/models", lines), { responses: 1 });
  const [response] = responses;
  if (response === undefined) throw new Error("No answer");
  return response;
}

test.each(["X-Tollgate-Account", "x-TOLLGATE-roles", "X-Tollgate-Permissions", "X-Consumer-Id", "X-User-Id"])(
  "a client's own %s does not reach the app",
  async (name) => {
    expect((await ask([key.line, `${name}: forged`, "X-Kept: 1"])).status).toBe(200);
    expect(upstream.last().head).not.toContain("forged");
    expect(upstream.last().headers).toMatchObject({
      "x-kept": "1",
      "x-tollgate-account": key.account,
      "x-tollgate-roles": "Admin",
    });
  },
);

test.each([
  ["written with underscores", ["X_Tollgate_Account: forged"], "header:underscore"],
  ["written with one underscore", ["X-Tollgate_Account: forged"], "header:underscore"],
  ["written with dots", ["X.Tollgate.Account: forged"], "header:twin"],
  ["named in Connection", ["Connection: close, X-Tollgate-Account"], "header:connection"],
  ["named in Connection with underscores", ["Connection: X_Tollgate_Roles"], "header:connection"],
])("an identity header %s is refused", async (_how, lines, rule) => {
  const answer = await ask([key.line, ...lines]);
  expect(answer.status).toBe(400);
  expect(answer.json()).toMatchObject({ status: 400, error: "malformed_request", rule });
  expect(upstream.count).toBe(0);
});

test("headers the client names in Connection stay behind, as it asked", async () => {
  expect((await ask([key.line, "Connection: X-Mine, keep-alive", "X-Mine: 1", "X-Kept: 1"])).status).toBe(200);
  expect(upstream.last().headers).toMatchObject({ "x-kept": "1" });
  expect(upstream.last().headers["x-mine"]).toBeUndefined();
});

test("without trusted proxies, the client is who the socket says, not who X-Forwarded-For says", async () => {
  await ask([key.line, "X-Forwarded-For: 10.0.0.1", "Forwarded: for=10.0.0.1", "X-Real-IP: 10.0.0.1"]);
  expect(upstream.last().headers["x-forwarded-for"]).toBe("127.0.0.1");
  expect(upstream.last().head).not.toContain("10.0.0.1");
});

test("errors.format plain gives short bodies", async () => {
  await using plain = await startScene({ config: { errors: { format: "plain" } } });
  const answer = await fetch(`${plain.gateway.url}/a`);
  expect(answer.status).toBe(401);
  expect(answer.headers.get("content-type")).toBe("application/json");
  expect(answer.headers.get("www-authenticate")).toBe('Bearer realm="tollgate"');
  expect(await answer.json()).toEqual({
    error: "credentials_missing",
    message: expect.stringMatching(/\S/),
    rule: "route:all",
    request_id: answer.headers.get("x-request-id"),
  });
});

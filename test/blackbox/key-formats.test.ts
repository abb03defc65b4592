/** Formats of keys by the file: another brand and length, older formats taken besides, environments; and what finds leaked ones. */
import { afterAll, expect, test } from "vitest";
import { stringify } from "yaml";
import { writeFileSync } from "node:fs";
import { newKey, STANDARD_FORMAT } from "#core/key-format.ts";
import { until } from "#test/support/until.ts";
import { ADMIN_TOKEN, askJson, sceneConfig, startScene, text } from "#test/support/scene.ts";

const GLYPH = { brand: "glyph", length: 32 };
const scene = await startScene();
const { gateway, operator, upstream } = scene;

afterAll(() => scene[Symbol.asyncDispose]());

const use = (secret: string) => askJson(`${gateway.url}/x`, { bearer: secret });

async function reason(secret: string): Promise<readonly unknown[]> {
  const answer = await use(secret);
  const id = answer.headers.get("x-request-id");
  const line = await until(`the log tells of ${id}`, () => gateway.logs().find(({ request_id }) => request_id === id));
  return [answer.status, line.reason];
}

function configWith(keys: object) {
  const base = sceneConfig(upstream.url);
  const { port } = gateway;
  const server = {
    workers: 2,
    adminToken: ADMIN_TOKEN,
    listen: `127.0.0.1:${port}`,
    admin: new URL(gateway.adminUrl ?? "").host,
  };
  return { ...base, server, identity: { keys } };
}

test("a change of the format keeps keys good that are made, as long as the file takes their format", async () => {
  const account = await operator.account();
  const { secret: old, id } = await operator.key({ account });
  expect(old).toMatch(/^tg_sk_live_[0-9A-Za-z]{38}$/);
  await gateway.reload(configWith({ ...GLYPH, accept: [{}, { kind: "pk", checksum: false }] }));
  expect((await use(old)).status).toBe(200);
  const made = await operator.key({ account });
  expect(made.secret).toMatch(/^glyph_sk_live_[0-9A-Za-z]{32}$/);
  expect((await use(made.secret)).status).toBe(200);
  // A rotation brings the key into the new format; both secrets are taken.
  const next = text((await operator.call("POST", `/admin/keys/${id}/rotate`)).body, "key");
  expect(next).toMatch(/^glyph_sk_live_/);
  expect([(await use(old)).status, (await use(next)).status]).toEqual([200, 200]);
  expect(await reason(newKey({ ...STANDARD_FORMAT, kind: "pk", checksum: false }, "live"))).toEqual([
    401,
    "key:unknown",
  ]);
  expect(await reason(newKey({ ...STANDARD_FORMAT, kind: "rk" }, "live"))).toEqual([401, "key:format"]);
  await gateway.reload(configWith(GLYPH));
  expect((await use(next)).status).toBe(200);
  // No brand of this gateway: read as a token.
  expect(await reason(old)).toEqual([401, "token:form"]);
  await gateway.reload(configWith({ accept: [GLYPH] }));
  expect([(await use(old)).status, (await use(next)).status]).toEqual([200, 200]);
});

test("a gateway that names its environments takes and makes no keys of others", async () => {
  await gateway.reload(configWith({}));
  const account = await operator.account();
  const trial = text((await operator.call("POST", "/admin/keys", { account, env: "test" })).body, "key");
  const live = await operator.key({ account });
  expect((await use(trial)).status).toBe(200);
  await gateway.reload(configWith({ environments: ["live"] }));
  expect(await reason(trial)).toEqual([401, "key:environment"]);
  expect((await use(live.secret)).status).toBe(200);
  const made = await operator.call("POST", "/admin/keys", { account, env: "test" });
  expect([made.status, made.body.path]).toEqual([400, "body/env"]);
  await gateway.reload(configWith({ environments: ["test", "dev"] }));
  expect((await operator.call("POST", "/admin/keys", { account })).body.env).toBe("test");
  await gateway.reload(configWith({}));
  expect((await use(trial)).status).toBe(200);
});

test("`keys pattern` prints what finds the keys of each format of the file", async () => {
  writeFileSync(gateway.file, stringify({ version: 1, ...configWith({ ...GLYPH, accept: [{}, GLYPH] }) }));
  const { stdout, code } = await gateway.cli("keys", "pattern");
  const patterns = stdout.trimEnd().split("\n");
  expect([code, patterns.length]).toEqual([0, 2]);
  const keys = [newKey({ ...STANDARD_FORMAT, ...GLYPH }, "live"), newKey(STANDARD_FORMAT, "dev")];
  expect(keys.map((key) => patterns.filter((pattern) => new RegExp(pattern).test(`key: ${key}.`)).length)).toEqual([
    1, 1,
  ]);
});

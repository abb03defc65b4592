/** `tollgate start`: what it refuses, how it ends, and `start --demo`, whose printed lines must do what they say. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { parseDocument } from "yaml";
import { runCli } from "#test/support/cli.ts";
import { startGateway } from "#test/support/process.ts";
import { rows, sceneConfig, startScene } from "#test/support/scene.ts";
import { freePort } from "#test/support/server.ts";
import { until } from "#test/support/until.ts";

const ROOT_FILE = join(import.meta.dirname, "..", "..", "gateway.yaml");

const scene = await startScene();

afterAll(() => scene[Symbol.asyncDispose]());

test("a second gateway on the same data folder refuses with who has it, and the first one goes on", async () => {
  const second = await runCli(["start", "-c", scene.gateway.file]);
  expect([second.code, second.stdout]).toEqual([1, ""]);
  expect(second.stderr).toMatch(
    new RegExp(`^Error: Data folder .* is in use by process ${scene.gateway.pid}: .*store\\.url\\n$`),
  );
  expect((await fetch(scene.gateway.url)).status).toBe(401);
});

test("a start on a port that is taken, or with a broken file, ends with 1 and says why", async () => {
  const server = { listen: `127.0.0.1:${scene.gateway.port}`, admin: null };
  const taken = startGateway({ ...sceneConfig(scene.upstream.url), server });
  await expect(taken).rejects.toThrow("another process listens there");
  await expect(startGateway("version: 2")).rejects.toThrow(/gateway\.yaml:1:10: /);
});

test("SIGTERM finishes what is under way, takes nothing new, writes the ledger and ends with 0", async () => {
  const key = await scene.operator.key();
  const { promise: arrived, resolve } = Promise.withResolvers<() => void>();
  scene.upstream.answer((_request, response) => resolve(() => response.end("finished")));
  const underWay = fetch(scene.gateway.url, { headers: { authorization: `Bearer ${key.secret}` } });
  const finish = await arrived;
  const stopped = scene.gateway.stop();
  await until("new connections are refused", () =>
    fetch(scene.gateway.url).then(
      () => false,
      () => true,
    ),
  );
  finish();
  expect(await (await underWay).text()).toBe("finished");
  expect(await stopped).toBe(0);
  expect(scene.gateway.logs().at(-1)).toMatchObject({ event: "stopped", in_time: true });
  const usage = await scene.gateway.cli("usage", "--account", key.account, "--json");
  expect(rows(usage.json(), "data")).toMatchObject([{ account: key.account, units: 1, requests: 1 }]);
});

/** The root configuration on free ports. */
async function demoConfig(): Promise<string> {
  const file = parseDocument(readFileSync(ROOT_FILE, "utf8"));
  file.setIn(["server", "listen"], `127.0.0.1:${await freePort()}`);
  file.setIn(["server", "admin"], `127.0.0.1:${await freePort()}`);
  file.setIn(["server", "workers"], 2);
  file.setIn(["upstreams", "app", "targets", 0], `http://127.0.0.1:${await freePort()}`);
  return file.toString();
}

interface Line {
  readonly method: string;
  readonly url: string;
  readonly authorization: string;
}

/** The requests of the printed curl lines. */
function curlLines(output: string): readonly Line[] {
  return [...output.matchAll(/^ *curl (.*)$/gm)].map(([, line = ""]) => ({
    method: /-X (\S+)/.exec(line)?.[1] ?? "GET",
    url: /(http:\/\/\S+)$/.exec(line)?.[1] ?? "",
    authorization: /-H 'Authorization: ([^']+)'/.exec(line)?.[1] ?? "",
  }));
}

async function send({
  method,
  url,
  authorization,
}: Line): Promise<{ readonly status: number; readonly body: Readonly<Record<string, unknown>> }> {
  const answer = await fetch(url, { method, headers: { authorization } });
  return { status: answer.status, body: Object(await answer.json()) };
}

test("the demo's three lines pass, are refused and show usage; the first one repeated ends in a quota refusal that says all", async () => {
  await using demo = await startGateway(await demoConfig(), { args: ["--demo"] });
  const lines = await until("three lines are printed", () => {
    const printed = curlLines(demo.output());
    return printed.length === 3 ? printed : null;
  });
  const [pass, refused, usage] = lines;
  if (pass === undefined || refused === undefined || usage === undefined) throw new Error("Not three lines");
  expect(await send(pass)).toMatchObject({
    status: 200,
    body: { model: "llama", caller: { account: "demo", plan: "free" } },
  });
  expect(await send(refused)).toMatchObject({
    status: 403,
    body: { error: "permission_denied", required_permission: "models:delete" },
  });
  expect(await send(usage)).toMatchObject({
    status: 200,
    body: { plan: "free", meters: [{ meter: "api_calls", used: 1, limit: 100, remaining: 99 }] },
  });
  const answers = [];
  do answers.push(await send(pass));
  while (answers.at(-1)?.status === 200 && answers.length < 200);
  expect(answers).toHaveLength(100);
  expect(answers.at(-1)).toEqual({
    status: 429,
    body: {
      type: "urn:tollgate:error:quota_exceeded",
      title: "Quota exceeded",
      status: 429,
      detail: expect.stringMatching(/\S/),
      error: "quota_exceeded",
      rule: "quota:api_calls",
      request_id: expect.stringMatching(/^req_/),
      meter: "api_calls",
      used: 100,
      limit: 100,
      remaining: 0,
      plan: "free",
      next_plan: "pro",
      window: { kind: "month", start: expect.any(String), end: expect.any(String) },
      retry_after: expect.any(Number),
    },
  });
  expect(await send(refused)).toMatchObject({ status: 403 });
});

test("the demo's key is the same after a restart, and so is its usage", async () => {
  const config = await demoConfig();
  await using first = await startGateway(config, { args: ["--demo"] });
  const before = await until("the lines are printed", () => curlLines(first.output())[0]);
  expect((await send(before)).status).toBe(200);
  await first.stop();
  await using second = await startGateway(config, { args: ["--demo"], dir: first.dir });
  const after = await until("the lines are printed again", () => curlLines(second.output())[2]);
  expect(after.authorization).toBe(before.authorization);
  expect(await send(after)).toMatchObject({ body: { meters: [{ used: 1 }] } });
});

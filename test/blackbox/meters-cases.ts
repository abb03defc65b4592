/** Cases of measured meters, each with a meter, a route and an account of its own on one real gateway. Checks what is told in a case alone. */
import { request as httpRequest } from "node:http";
import { afterAll, expect, test } from "vitest";
import type { LogLine } from "#test/support/log.ts";
import { metricOf } from "#test/support/metrics.ts";
import { type SceneOptions, startScene } from "#test/support/scene.ts";
import { until } from "#test/support/until.ts";
import type { UpstreamHandler } from "#test/support/upstream.ts";

type Headers = Readonly<Record<string, string | readonly string[]>>;

export interface MeterCase {
  /** A sentence that goes on after "a value …". In values of headers, `{meter}` is the name of the case's meter. */
  readonly what: string;
  /** As in gateway.yaml. */
  readonly meter: object;
  /** The route's units; default `measured`. */
  readonly route?: number;
  readonly method?: string;
  readonly headers?: Headers;
  /** A list is sent in chunks. */
  readonly body?: string | readonly string[];
  /** A function finds the meter's name in the request's path. */
  readonly answer:
    | UpstreamHandler
    | {
        readonly status?: number;
        readonly headers?: Headers;
        readonly body?: string | readonly (string | Uint8Array)[];
      };
  /** A pair is the least and the most. */
  readonly units: number | readonly [number, number];
  /** Meter faults that are counted; default 0. */
  readonly faults?: number;
}

export function testMeters(cases: readonly MeterCase[], config: SceneOptions["config"] = {}): void {
  const named = cases.map((one, index) => ({ ...one, name: `m${index}` }));
  const ready = startScene({
    config: {
      ...config,
      meters: Object.fromEntries(named.map(({ name, meter }) => [name, meter])),
      plans: { free: { default: true } },
      routes: named.map(({ name, route = "measured" }) => ({
        name,
        match: { path: `/${name}` },
        upstream: "app",
        meters: { [name]: route },
      })),
    },
  });
  afterAll(async () => (await ready)[Symbol.asyncDispose]());

  test.each(named)("a value $what", async ({ name, answer, units, faults = 0, ...ask }) => {
    const { gateway, upstream, operator } = await ready;
    const key = await operator.key();
    upstream.answer(typeof answer === "function" ? answer : (_request, response) => answerWith(response, answer, name));
    const before = await metricOf(gateway, FAULTS);
    const logged = gateway.logs().length;
    const { body, headers } = await send(`${gateway.url}/${name}`, key.secret, ask, name);
    expect(headers["x-tollgate-usage"]).toBeUndefined();
    expect(body).toEqual(typeof answer === "function" ? body : Buffer.concat(partsOf(answer.body ?? "")));
    const [least, most] = typeof units === "number" ? [units, units] : units;
    const used = await operator.used(key.account, name);
    expect(used).toBeGreaterThanOrEqual(least);
    expect(used).toBeLessThanOrEqual(most);
    expect((await metricOf(gateway, FAULTS)) - before, "faults").toBe(faults);
    const told = () => faultsIn(gateway.logs().slice(logged));
    await until("the faults are in the log", () => told() >= faults);
    expect(told()).toBe(faults);
  });
}

const FAULTS = "tollgate_meter_faults_total";

function faultsIn(lines: readonly LogLine[]): number {
  return lines.filter(({ event }) => event === "meter-fault").length;
}

function answerWith(
  response: Parameters<UpstreamHandler>[1],
  { status = 200, headers = {}, body = "" }: Exclude<MeterCase["answer"], UpstreamHandler>,
  name: string,
): void {
  for (const [header, value] of Object.entries(headers)) response.setHeader(header, textsOf(value, name));
  const parts = partsOf(body);
  response.writeHead(status, typeof body === "string" ? { "content-length": parts[0]?.length ?? 0 } : {});
  for (const part of parts) response.write(part);
  response.end();
}

function textsOf(value: Headers[string], name: string): string[] {
  return (typeof value === "string" ? [value] : value).map((text) => text.replaceAll("{meter}", name));
}

function partsOf(body: string | readonly (string | Uint8Array)[]): readonly Buffer[] {
  return (typeof body === "string" ? [body] : body).map((part) => Buffer.from(part));
}

type Ask = Pick<MeterCase, "method" | "headers" | "body">;

function send(
  url: string,
  secret: string,
  { method, headers = {}, body }: Ask,
  name: string,
): Promise<{ readonly body: Buffer; readonly headers: Readonly<Record<string, unknown>> }> {
  return new Promise((resolve, reject) => {
    const options = { method: method ?? (body === undefined ? "GET" : "POST") };
    const request = httpRequest(url, options, async (response) => {
      const parts: Buffer[] = [];
      try {
        for await (const part of response) parts.push(part);
        resolve({ body: Buffer.concat(parts), headers: { ...response.trailers, ...response.headers } });
      } catch (error) {
        reject(error);
      }
    });
    request.on("error", reject);
    request.setHeader("authorization", `Bearer ${secret}`);
    for (const [header, value] of Object.entries(headers)) request.setHeader(header, textsOf(value, name));
    if (typeof body === "string") request.setHeader("content-length", Buffer.byteLength(body));
    for (const part of typeof body === "string" ? [body] : (body ?? [])) request.write(part);
    request.end();
  });
}

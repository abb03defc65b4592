/**
 * Odd values in every member of every body and in every query: an answer, never a failure, and a 400 says where the fault is. Made of
 * the OpenAPI documents, so that new members are asked about too. Whether plain bad input is refused: `operations.test.ts`.
 */
import { afterAll, describe, expect, test } from "vitest";
import { isSchema } from "#control-plane/openapi/schema-text.ts";
import type { Call } from "./operation-calls.ts";
import { ask, CALLS, startOperationWorld } from "./operation-world.ts";

const world = await startOperationWorld();
afterAll(() => world[Symbol.asyncDispose]());

const TEXTS = [
  "",
  " ",
  "\0",
  "\ud800",
  "x".repeat(100_000),
  "'; DROP TABLE accounts;--",
  "__proto__",
  "2026-13-45T99:99:99Z",
];
const VALUES = [...TEXTS, null, 5, -1, 1.5, 1e300, true, [], {}, ["a", 1], { a: 1 }, [[]], "999999d"];
const QUERIES = [
  "",
  "x",
  "-1",
  "1e9",
  "99999999999999999999",
  "\0",
  "%00",
  "x".repeat(4000),
  "[]",
  "2026-02-30T00:00:00Z",
];
/** Each event has its own answer, in which its fault is: `usage-events.test.ts`. */
const READ_BY_THEMSELVES: readonly string[] = ["reportUsage", "reportAnyUsage"]; // biome-ignore format: lists

describe.each(world.listeners)("$name", (at) => {
  test.each(at.contract.endpoints)("$method $path", async ({ operation, ...endpoint }) => {
    const { operationId: id, parameters = [], requestBody } = operation;
    const [good = { status: 0 }] = (await CALLS[id]?.(world)) ?? [];
    const wrong: unknown[] = [];
    const look = async (what: unknown, call: Omit<Call, "status">) => {
      const { status, body } = await ask(at, { ...endpoint, operation }, call);
      const isPlaced = status !== 400 || READ_BY_THEMSELVES.includes(id) || (isSchema(body) && "path" in body);
      if (status >= 500 || !isPlaced) wrong.push([what, status, body]);
    };
    for (const { name } of parameters.filter((parameter) => parameter.in === "query"))
      for (const value of QUERIES) await look([name, value], { ...good, query: new URLSearchParams({ [name]: value }).toString() });
    const properties = requestBody?.content["application/json"]?.schema.properties;
    for (const name of isSchema(properties) ? Object.keys(properties) : [])
      for (const value of VALUES) await look([name, value], { ...good, body: { ...(isSchema(good.body) ? good.body : {}), [name]: value } });
    expect(wrong).toEqual([]);
  }); // biome-ignore format: lists
});

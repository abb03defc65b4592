/**
 * Calls every operation of both documents of a real gateway and holds each answer against its document: once or more as it is meant,
 * so that every documented status that is no error is seen, and with bad input. An operation without calls here fails.
 */
import { afterAll, describe, expect, test } from "vitest";
import type { ApiDocument } from "#control-plane/openapi/document.ts";
import { isSchema, sampleOf } from "#control-plane/openapi/schema-text.ts";
import type { Endpoint } from "#test/support/contract.ts";
import type { Call } from "./operation-calls.ts";
import { ask, CALLS, startOperationWorld } from "./operation-world.ts";

const world = await startOperationWorld();
const { listeners } = world;
/** Which a request cannot lead to. */
const NOT_SEEN: Readonly<Record<string, readonly string[]>> = { getReadiness: ["503"] };

afterAll(() => world[Symbol.asyncDispose]());

test("every operation has its calls, and every call its operation", () => {
  const ids = listeners.flatMap(({ contract }) => contract.endpoints.map(({ operation }) => operation.operationId));
  expect([...new Set(ids)].sort()).toEqual(Object.keys(CALLS).sort());
});

describe.each(listeners)("$name", (at) => {
  const all = at.contract.endpoints.map((endpoint) => [endpoint.operation.operationId, endpoint] as const);

  test.each(all)("%s answers as it is documented", async (id, endpoint) => {
    const calls = (await CALLS[id]?.(world)) ?? [];
    const seen = new Set<string>();
    for (const { status, ...call } of calls) {
      const answer = await ask(at, endpoint, call);
      const faults = at.contract.faultsOf(endpoint, answer);
      expect({ ...answer, faults }).toEqual({ ...answer, status, faults: [] });
      seen.add(String(answer.status));
    }
    const documented = Object.keys(endpoint.operation.responses).filter((status) => !isError(endpoint, status));
    expect([...seen, ...(NOT_SEEN[id] ?? [])].sort()).toEqual(documented.sort());
  });

  test.each(all)("%s refuses what does not fit, with its place", async (id, endpoint) => {
    const good = ((await CALLS[id]?.(world)) ?? [])[0] ?? { status: 0 };
    for (const [bad, place] of badCalls(endpoint, at.contract.document, good)) {
      const answer = await ask(at, endpoint, bad);
      const faults = at.contract.faultsOf(endpoint, answer);
      expect({ ...answer, faults, bad }).toEqual({ ...answer, status: 400, faults: [], bad });
      expect(answer.body).toMatchObject({ error: "malformed_request", path: expect.stringMatching(place) });
    }
  });
});

function isError({ operation }: Endpoint, status: string): boolean {
  return JSON.stringify(operation.responses[status]).includes("#/components/schemas/Error");
}

type Bad = readonly [call: Omit<Call, "status">, place: RegExp];

/** Events are read one by one: what is wrong with one is in its result, and `usage-events.test.ts` has that. */
const READ_BY_THEMSELVES: readonly string[] = ["reportUsage", "reportAnyUsage"];

/** Derived from the document: a member that is not known, one of another type, an id that is too long. */
function badCalls({ operation }: Endpoint, { components }: ApiDocument, good: Call): readonly Bad[] {
  const { parameters = [], requestBody, operationId } = operation;
  const queries = parameters.filter((parameter) => parameter.in === "query");
  const params = parameters.filter((parameter) => parameter.in === "path").map(({ name }) => name);
  const integer = queries.find(({ schema }) => schema.type === "integer");
  const content = requestBody?.content["application/json"]?.schema;
  const isChecked = content !== undefined && !READ_BY_THEMSELVES.includes(operationId);
  const body = isSchema(good.body) ? good.body : sampleOf(content, components.schemas);
  const first = isSchema(content?.properties) ? Object.keys(content.properties)[0] : undefined;
  return [
    ...(queries.length === 0 ? [] : [[{ ...good, query: "no_such=1" }, /^querystring\/no_such$/] as const]),
    ...(integer === undefined ? [] : [[{ ...good, query: `${integer.name}=x` }, /^querystring\//] as const]),
    ...params.map((name) => [{ ...good, params: { ...good.params, [name]: "a".repeat(256) } }, /^params\//] as const),
    ...(isChecked && isSchema(body)
      ? [[{ ...good, body: { ...body, no_such: 1 } }, /^body(\/0)?\/no_such$/] as const]
      : []),
    ...(isChecked && isSchema(body) && first !== undefined
      ? [[{ ...good, body: { ...body, [first]: [[]] } }, new RegExp(`^body/${first}`)] as const]
      : []),
    ...(isChecked ? [[{ ...good, body: 5 }, /^body(\/|$)/] as const] : []),
  ];
}

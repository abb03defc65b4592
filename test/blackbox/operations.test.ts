/**
 * Calls every operation of both documents of a real gateway and holds each answer against its document: once or more as it is meant,
 * so that every documented status that is no error is seen, and with bad input. An operation without calls here fails.
 */
import { afterAll, describe, expect, test } from "vitest";
import type { ApiDocument } from "#control-plane/openapi/document.ts";
import { isSchema, sampleOf } from "#control-plane/openapi/schema-text.ts";
import { type Answer, Contract, type Endpoint } from "#test/support/contract.ts";
import { startJwks } from "#test/support/jwks.ts";
import { makeKey } from "#test/support/jwt.ts";
import { ADMIN_TOKEN, startScene } from "#test/support/scene.ts";
import { asking, type Call, type CallWorld, event, OWN_CALLS } from "./operation-calls.ts";
import { ADMIN_CALLS } from "./operation-calls-admin.ts";

const jwks = await startJwks(makeKey("ES256"));
const scene = await startScene({
  config: {
    server: { workers: 2, adminToken: ADMIN_TOKEN, adminOnListen: true },
    identity: {
      issuers: [
        {
          name: "main",
          issuer: jwks.issuer,
          jwks: jwks.url,
          audiences: ["api"],
          claims: { account: "org", roles: "roles" },
        },
      ],
    },
    roles: { Boss: ["*", "tollgate:*"] },
    meters: { api_calls: {}, minutes: {}, seats: { aggregate: "last" } },
    plans: {
      free: {
        default: true,
        price: { monthly: 2900, currency: "usd" },
        credits: { amount: 100, per: "month", rollover: { max: 50 } },
        features: ["models"],
        quotas: {
          api_calls: [
            { limit: 100_000, per: "month", exceed: "overage", overage: { price: 3, per: 10 } },
            { limit: 90_000, per: "day", by: "key" },
            { limit: 80_000, per: "day", by: "user", grace: 10 },
          ],
          minutes: { limit: 1, per: "month", exceed: "credits", credits: 2 },
        },
      },
      other: {},
    },
  },
});
const { gateway, operator } = scene;
const boss = await operator.key({ account: await operator.account({ externalId: "boss-org" }), roles: ["Boss"] });
const world: CallWorld = {
  scene,
  boss,
  own: asking(scene, boss),
  token: (user) => jwks.token({ claims: { aud: "api", sub: user, org: "boss-org", roles: ["Boss"] } }),
};
// Something to show: usage of a key and a user on a route, a threshold, an account of a token.
for (const bearer of [boss.secret, world.token("ada")])
  await fetch(`${gateway.url}/x`, { headers: { authorization: `Bearer ${bearer}` } });
await world.own("POST", "/usage/events", event({ data: { value: 2 } }));

interface Listener {
  readonly name: string;
  readonly base: string;
  readonly bearer: string;
  readonly contract: Contract;
}

async function listener(name: string, base: string, bearer: string): Promise<Listener> {
  // What the gateway says is checked by the tests.
  const document = (await (await fetch(`${base}/openapi.json`)).json()) as ApiDocument;
  return { name, base, bearer, contract: new Contract(document) };
}

const listeners = [
  await listener("listen", `${gateway.url}/_tollgate`, boss.secret),
  await listener("admin", gateway.adminUrl ?? "", ADMIN_TOKEN),
];
const CALLS = { ...OWN_CALLS, ...ADMIN_CALLS };
/** Which a request cannot lead to. */
const NOT_SEEN: Readonly<Record<string, readonly string[]>> = { getReadiness: ["503"] };

afterAll(async () => {
  await scene[Symbol.asyncDispose]();
  await jwks.close();
});

async function ask(
  { base, bearer }: Listener,
  { method, path }: Endpoint,
  call: Omit<Call, "status">,
): Promise<Answer> {
  const target = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(call.params?.[name] ?? "none"));
  const answer = await fetch(`${base}${target}${call.query === undefined ? "" : `?${call.query}`}`, {
    method,
    headers: {
      authorization: `Bearer ${call.bearer ?? bearer}`,
      ...(call.body === undefined ? {} : { "content-type": call.type ?? "application/json" }),
    },
    ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
  });
  const [type, content] = [answer.headers.get("content-type"), await answer.text()];
  return { status: answer.status, type, body: type?.includes("json") === true ? JSON.parse(content) : content };
}

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
      expect([answer.status, ...at.contract.faultsOf(endpoint, answer)], JSON.stringify(answer.body)).toEqual([status]);
      seen.add(String(answer.status));
    }
    const documented = Object.keys(endpoint.operation.responses).filter((status) => !isError(endpoint, status));
    expect([...seen, ...(NOT_SEEN[id] ?? [])].sort()).toEqual(documented.sort());
  });

  test.each(all)("%s refuses what does not fit, with its place", async (id, endpoint) => {
    const good = ((await CALLS[id]?.(world)) ?? [])[0] ?? { status: 0 };
    for (const [bad, place] of badCalls(endpoint, at.contract.document, good)) {
      const answer = await ask(at, endpoint, bad);
      expect([answer.status, ...at.contract.faultsOf(endpoint, answer)], JSON.stringify([bad, answer.body])).toEqual([
        400,
      ]);
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
    ...(queries.length === 0 ? [] : [[{ ...good, query: "no_such=1" }, /^querystring$/] as const]),
    ...(integer === undefined ? [] : [[{ ...good, query: `${integer.name}=x` }, /^querystring\//] as const]),
    ...params.map((name) => [{ ...good, params: { ...good.params, [name]: "a".repeat(256) } }, /^params\//] as const),
    ...(isChecked && isSchema(body) ? [[{ ...good, body: { ...body, no_such: 1 } }, /^body$/] as const] : []),
    ...(isChecked && isSchema(body) && first !== undefined
      ? [[{ ...good, body: { ...body, [first]: [[]] } }, new RegExp(`^body/${first}`)] as const]
      : []),
    ...(isChecked ? [[{ ...good, body: "text" }, /^body$/] as const] : []),
  ];
}

/** The committed schema and page are what the code makes. To regenerate: see the end of `docs/configuration.md`. */
import { readFileSync, readdirSync } from "node:fs";
import { Ajv } from "ajv";
import { expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { configurationPage } from "#config/document.ts";
import { gatewayJsonSchema } from "#config/json-schema.ts";
import { GatewayFile } from "#config/schema.ts";
import { PATTERN_WORDS, type SchemaNode } from "#config/schema-words.ts";
import { faultsOf, settingsOf } from "./faults-of.ts";

const read = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), "utf8");
// GatewayFile is JSON Schema; SchemaNode lists the keywords it uses.
const root = GatewayFile as unknown as SchemaNode;
const example = () => /```yaml\n(.*?)```/s.exec(read("docs/configuration.md"))?.[1] ?? "";

function* nodes(schema: SchemaNode, path: string): Generator<readonly [string, SchemaNode]> {
  yield [path, schema];
  for (const [key, part] of Object.entries(schema.properties ?? {})) yield* nodes(part, `${path}.${key}`);
  for (const part of Object.values(schema.patternProperties ?? {})) yield* nodes(part, `${path}.<name>`);
  for (const part of schema.anyOf ?? []) yield* nodes(part, `${path}|`);
  if (schema.items !== undefined) yield* nodes(schema.items, `${path}[]`);
}

test("the schema is one by JSON Schema's own", () => {
  expect(() => new Ajv({ strict: true, allowUnionTypes: true }).compile(GatewayFile)).not.toThrow();
  expect(() => new Ajv({ strict: true }).compile({ type: "object", minProperties: -1 })).toThrow(/schema is invalid/);
});

test("config/gateway.schema.json is what `npm run -s tollgate -- schema` prints", () => {
  expect(read("config/gateway.schema.json")).toBe(gatewayJsonSchema());
});

test("docs/configuration.md is what `npm run -s tollgate -- schema --docs` prints", () => {
  expect(read("docs/configuration.md")).toBe(configurationPage());
});

test("every key of the schema has a description", () => {
  const keys = [...nodes(root, "")].filter(([path]) => /\.[A-Za-z-]+$/.test(path));
  expect(keys.length).toBeGreaterThan(80);
  expect(keys.filter(([, schema]) => (schema.description ?? "") === "").map(([path]) => path)).toEqual([]);
});

test("every key of the schema has a row in the documentation", () => {
  const page = read("docs/configuration.md");
  const keys = [...nodes(root, "")]
    .map(([path]) => path.slice(1).replaceAll("|", ""))
    .filter((path) => /\.[A-Za-z-]+$/.test(path));
  expect(keys.filter((key) => !page.includes(`\n| \`${key}\` `))).toEqual([]);
});

test("every pattern of the schema has words for messages", () => {
  const patterns = [...nodes(root, "")].flatMap(([, schema]) =>
    [...Object.keys(schema.patternProperties ?? {}), schema.pattern ?? []].flat(),
  );
  expect(patterns.filter((pattern) => !Object.hasOwn(PATTERN_WORDS, pattern))).toEqual([]);
});

test("the example of the documentation loads", () => {
  expect(settingsOf(example()).routes.map(({ name }) => name)).toEqual(["models"]);
});

const PAGES = ["README.md", ...readdirSync(new URL("../../docs", import.meta.url)).map((name) => `docs/${name}`)];
const EXAMPLES = PAGES.filter((page) => page.endsWith(".md")).flatMap((page) =>
  [...read(page).matchAll(/```yaml\n(.*?)```/gs)].map(
    ([, text = ""], index) => [`${page} ${index + 1}`, text] as const,
  ),
);

test.each(EXAMPLES)("%s loads, with the least around it", (_, text) => {
  expect(faultsOf(stringify(withTheLeast(parse(text))))).toEqual([]);
});

test("a page with an example that does not load is found", () => {
  expect(EXAMPLES.length).toBeGreaterThan(10);
  const faults = faultsOf(stringify(withTheLeast(parse('roles: { VIEWER: ["*:read"] }'))));
  expect(faults).toEqual([expect.stringContaining("Expected * alone or at the end")]);
});

test("the editor's schema takes the example, references and all, and refuses an unknown key", () => {
  const check = new Ajv({ strict: false }).compile(JSON.parse(gatewayJsonSchema()));
  const data: unknown = parse(example().replace("per: 1m", 'per: "${PER}"'));
  expect(check(data)).toBe(true);
  expect(check(parse(`${example()}extra: 1\n`))).toBe(false);
});

test("the example of the design page loads, reduced to what this version knows", () => {
  expect(faultsOf(DESIGN)).toEqual([]);
});

type Part = Readonly<Record<string, unknown>>;

/** An example leaves out what the page has said before; `…` stands for the rest of a route. */
function withTheLeast({ require, ...given }: Part): Part {
  const part = (key: string) => (given[key] ?? {}) as Part;
  const routes = [...((given.routes ?? []) as readonly Part[]), ...(require === undefined ? [] : [{ require }])];
  const hasDefault = Object.values(part("plans")).some((plan) => (plan as Part).default === true);
  const rate = { limit: 1, per: "1s" };
  return {
    version: 1,
    ...given,
    roles: { Admin: ["*"], ...part("roles") },
    identity: { issuers: [{ name: "local", preset: "local", audiences: ["api"] }], ...part("identity") },
    rates: { api: rate, "self-service": rate, ...part("rates") },
    meters: { api_calls: {}, seats: { aggregate: "last" }, ...part("meters") },
    plans: { ...part("plans"), ...(hasDefault ? {} : { base: { default: true } }) },
    upstreams: { app: { targets: ["http://127.0.0.1:9"] }, ...part("upstreams") },
    routes: routes.map((route, index) => ({
      name: `route-${index}`,
      match: { path: `/route-${index}/{org}` },
      upstream: "app",
      ...Object.fromEntries(Object.entries(route).filter(([key]) => key !== "…")),
    })),
  };
}

const DESIGN = `# yaml-language-server: $schema=./config/gateway.schema.json
version: 1
server:
  listen: 127.0.0.1:8080          # traffic and self-service endpoints
  admin: 127.0.0.1:8081           # admin API, metrics, console; null switches it off
  prefix: /_tollgate              # where the gateway's own endpoints live on \`listen\`
  workers: auto
  lane: auto
  trustedProxies: []
  limits: { headerBytes: 16KiB, bodyBytes: 10MiB, headerTimeout: 10s, idleTimeout: 60s, requestTimeout: 5m }
store: { url: sqlite:data/tollgate.db }
identity:
  issuers:
    - name: main
      preset: oidc
      issuer: https://issuer.example
      jwks: https://issuer.example/.well-known/jwks.json
      audiences: [api]
      algorithms: [RS256, ES256, EdDSA]
      claims: { user: sub, account: project, roles: role, permissions: permissions, plan: plan }
  keys: { brand: tg, headers: [authorization, x-api-key] }
roles:
  Admin: ["*"]
  Developer: ["models:*", "agents:*"]
  User: ["models:invoke"]
rates:
  api: { limit: 60, per: 1m, burst: 60, by: account }
  login: { limit: 5, per: 15m, by: ip }
meters:
  api_calls: {}
  tokens: {}
plans:
  free: { default: true, quotas: { api_calls: { limit: 100, per: month } } }
  pro:
    name: Pro
    price: { monthly: 2900, yearly: 29000, currency: usd }
    quotas: { api_calls: { limit: 10000, per: month } }
    rates: { api: { limit: 600, per: 1m } }
    features: [custom_models]
upstreams:
  app:
    targets: [http://127.0.0.1:9000]
routes:
  - name: models
    match: { host: api.example.com, path: "/models/{projectId}/{userId}", methods: [GET, POST] }
    upstream: app
    auth: required
    require: { roles: [], permissions: [models:invoke], scopes: [], features: [], account: path.projectId, owner: path.userId }
    rates: [api]
    meters: { api_calls: 1, tokens: 0 }
    countWhen: not-5xx
errors: { format: problem }
`;

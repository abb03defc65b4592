/**
 * `/openapi.json` and `/docs`: what a listener serves, for programs and for readers. Open to everybody, as neither says anything that
 * is secret. Main thread. Both are made at the first request after a start or reload (some 70 ms), then kept as text.
 */
import type { FastifyInstance } from "fastify";
import Type from "typebox";
import type { Settings } from "#config/settings.ts";
import { version } from "#core/version.ts";
import type { Access } from "#control-plane/openapi/document.ts";
import type { Operation } from "#control-plane/openapi/operations.ts";
import { operation } from "./operation.ts";

const readDocument = operation(
  { id: "getOpenApiDocument", summary: "Read this API's OpenAPI document", tag: "Gateway" },
  {},
  { 200: Type.Object({ openapi: Type.String() }, { additionalProperties: true }) },
);
const readPage = operation(
  { id: "getDocsPage", summary: "Show this API's documentation", tag: "Gateway" },
  {},
  { 200: Type.String({ contentMediaType: "text/html" }) },
);

export interface DocumentedApi {
  readonly title: string;
  readonly description: string;
  /** Where the paths of operations begin. */
  readonly base: (settings: Settings) => string;
  readonly operations: readonly Operation[];
  /** Who may call it by these settings; null: it is not served. */
  readonly accessOf: (operation: Operation, settings: Settings) => Access | null;
}

export function registerDocs(app: FastifyInstance, settings: () => Settings, api: DocumentedApi): void {
  let made: Made | null = null;
  const current = (): Made["texts"] => {
    if (made?.settings !== settings()) made = { settings: settings(), texts: textsOf(settings(), api) };
    return made.texts;
  };
  app.get("/openapi.json", readDocument, async (_request, reply) =>
    reply
      .type("application/json")
      .header("cache-control", "no-cache")
      .send((await current()).document),
  );
  app.get("/docs", readPage, async (_request, reply) => {
    const { page, policy } = await current();
    const headers = {
      "cache-control": "no-cache",
      "content-security-policy": policy,
      "referrer-policy": "no-referrer",
    };
    return reply.type("text/html; charset=utf-8").headers(headers).send(page);
  });
}

interface Made {
  readonly settings: Settings;
  readonly texts: ReturnType<typeof textsOf>;
}

/** Loads what makes them only now: 40 ms that no start has to wait for. */
async function textsOf(settings: Settings, api: DocumentedApi) {
  const { openApiDocument } = await import("#control-plane/openapi/document.ts");
  const { docsPage, PAGE_POLICY } = await import("#control-plane/openapi/page.ts");
  const { title, description, base, operations, accessOf } = api;
  const served = operations.flatMap((one) => {
    const access = accessOf(one, settings);
    return access === null ? [] : [{ operation: one, access }];
  });
  const document = openApiDocument({
    title,
    description,
    version: version(),
    base: base(settings),
    operations: served,
    keyHeaders: settings.identity.keys.headers,
    errorFormat: settings.errors.format,
  });
  const page = docsPage(document, settings, "openapi.json");
  return { document: JSON.stringify(document), page, policy: PAGE_POLICY };
}

/**
 * `/openapi.json` and `/docs`: what a listener serves, for programs and for readers. Open to everybody, as neither says anything that
 * is secret. Main thread. Both are made at the first request after a start or reload (some 20 ms), then kept as text.
 */
import type { FastifyInstance } from "fastify";
import Type from "typebox";
import type { Settings } from "#config/settings.ts";
import { version } from "#core/version.ts";
import { type Access, type ApiDocument, openApiDocument } from "#control-plane/openapi/document.ts";
import type { Operation } from "#control-plane/openapi/operations.ts";
import { docsPage, PAGE_POLICY } from "#control-plane/openapi/page.ts";
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
  let made: ReturnType<typeof madeFor> | null = null;
  const current = () => {
    if (made?.settings !== settings()) made = madeFor(settings(), api);
    return made;
  };
  app.get("/openapi.json", readDocument, async (_request, reply) =>
    reply.type("application/json").header("cache-control", "no-cache").send(current().document),
  );
  app.get("/docs", readPage, async (_request, reply) =>
    reply
      .type("text/html; charset=utf-8")
      .headers({
        "cache-control": "no-cache",
        "content-security-policy": PAGE_POLICY,
        "referrer-policy": "no-referrer",
      })
      .send(current().page),
  );
}

function madeFor(settings: Settings, api: DocumentedApi) {
  const { title, description, base, operations, accessOf } = api;
  const served = operations.flatMap((one) => {
    const access = accessOf(one, settings);
    return access === null ? [] : [{ operation: one, access }];
  });
  const document: ApiDocument = openApiDocument({
    title,
    description,
    version: version(),
    base: base(settings),
    operations: served,
    keyHeaders: settings.identity.keys.headers,
    errorFormat: settings.errors.format,
  });
  return { settings, document: JSON.stringify(document), page: docsPage(document, settings, "openapi.json") };
}

/** The document of a few operations made for it: parameters, bodies, errors, who may, and what cannot be. */
import Type from "typebox";
import { expect, test } from "vitest";
import { openApiDocument, type ServedOperation } from "#control-plane/openapi/document.ts";
import { NO_DEMANDS } from "#config/endpoint-rules.ts";
import type { Operation } from "#control-plane/openapi/operations.ts";

const Thing = Type.Object({ id: Type.String(), of: Type.Optional(Type.Array(Type.String())) }, { title: "Thing" });

const GET: Operation = {
  method: "GET",
  path: "/things/{id}",
  id: "getThing",
  summary: "Show a thing",
  tag: "Things",
  errors: [],
  params: Type.Object({ id: Type.String({ maxLength: 9 }) }),
  querystring: Type.Object({ limit: Type.Integer({ default: 5, description: "At most" }), must: Type.String() }),
  bodies: {},
  bodyRequired: true,
  answers: { 200: Type.Object({ data: Type.Array(Thing) }) },
};
const POST: Operation = {
  ...GET,
  method: "POST",
  id: "makeThing",
  querystring: null,
  bodies: { "application/json": Thing },
  answers: { 201: Thing, 204: Type.Null() },
};

function documentOf(operations: readonly ServedOperation[], errorFormat: "problem" | "plain" = "problem") {
  return openApiDocument({
    title: "T",
    description: "D",
    version: "1.2.3",
    base: "/_t",
    operations,
    keyHeaders: ["authorization", "x-api-key"],
    errorFormat,
  });
}

const unruled = { name: null, demands: NO_DEMANDS } as const;
const caller = { auth: "caller", permission: "tollgate:things:read", ...unruled } as const;

test("parameters, bodies, answers and names of schemas are as the endpoint has them", () => {
  const { paths, components, servers } = documentOf([
    { operation: GET, access: caller },
    { operation: POST, access: { auth: "operator", permission: null, ...unruled } },
  ]);
  expect(servers).toEqual([{ url: "/_t" }]);
  const { get, post } = paths["/things/{id}"] ?? {};
  expect(get?.parameters).toEqual([
    { name: "id", in: "path", required: true, schema: { type: "string", maxLength: 9 } },
    { name: "limit", in: "query", required: false, description: "At most", schema: { type: "integer", default: 5 } },
    { name: "must", in: "query", required: true, schema: { type: "string" } },
  ]);
  const reference = { $ref: "#/components/schemas/Thing" };
  expect(post?.requestBody).toEqual({ required: true, content: { "application/json": { schema: reference } } });
  expect(post?.responses["204"]).toEqual({ description: "Done, without a body" });
  expect(components.schemas.Thing).toEqual({
    type: "object",
    properties: { id: { type: "string" }, of: { type: "array", items: { type: "string" } } },
    required: ["id"],
  });
});

test("who may call it, and by which permission", () => {
  const { paths, components } = documentOf([
    { operation: GET, access: caller },
    { operation: POST, access: { auth: "none", permission: null, ...unruled } },
  ]);
  const { get, post } = paths["/things/{id}"] ?? {};
  expect(get).toMatchObject({
    security: [{ bearer: [] }, { "x-api-key": [] }],
    "x-tollgate-permission": "tollgate:things:read",
    description: "Needs the permission `tollgate:things:read`.",
  });
  expect([post?.security, Object.keys(post?.responses ?? {})]).toEqual([[], expect.not.arrayContaining(["401"])]);
  expect(Object.keys(components.securitySchemes)).toEqual(["bearer", "x-api-key"]);
});

test("errors say their codes, in the form of the configuration", () => {
  const [problem, plain] = (["problem", "plain"] as const).map((format) => {
    const { paths } = documentOf([{ operation: { ...POST, errors: ["quota_exceeded"] }, access: caller }], format);
    return paths["/things/{id}"]?.post?.responses["429"]?.content ?? {};
  });
  const schema = {
    allOf: [
      { $ref: "#/components/schemas/Error" },
      { properties: { error: { enum: ["rate_limited", "quota_exceeded"] } } },
    ],
  };
  expect(problem).toEqual({ "application/problem+json": { schema } });
  expect(plain).toEqual({ "application/json": { schema } });
});

test("two operations of one id, and two schemas of one title, make no document", () => {
  const twice = [GET, { ...POST, id: "getThing" }].map((operation) => ({ operation, access: caller }));
  expect(() => documentOf(twice)).toThrow("Two operations have the id getThing");
  const other = { ...POST, answers: { 200: Type.Object({}, { title: "Thing" }) } };
  const both = [GET, other].map((operation) => ({ operation, access: caller }));
  expect(() => documentOf(both)).toThrow("Two schemas have the title Thing");
});

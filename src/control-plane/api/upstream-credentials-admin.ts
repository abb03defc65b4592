/** `/admin/accounts/{id}/upstream-credentials`: what is sent to upstreams in an account's name. Main thread. Values go in and never out. */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import Type from "typebox";
import { rfc3339 } from "#core/clock.ts";
import type { RouteSettings, Settings } from "#config/settings.ts";
import { isFieldValue, upstreamHeaderFault } from "#shared/upstream-headers.ts";
import type { UpstreamCredential } from "#control-plane/accounts/upstream-credentials.ts";
import { accountOr404 } from "./found.ts";
import { operation } from "./operation.ts";
import { refuseBy, reject } from "./problems.ts";
import { IdParams, nullable, pageOf, strict, Time } from "./schemas.ts";
import type { Services } from "./services.ts";

const Params = Type.Object({
  ...IdParams.properties,
  upstream: Type.String({ minLength: 1, maxLength: 64 }),
  header: Type.String({ minLength: 1, maxLength: 64 }),
});
const Body = Type.Object({ value: Type.String({ minLength: 1, maxLength: 4096 }) }, strict);
const Answer = Type.Object({
  upstream: Type.String(),
  header: Type.String(),
  masked: nullable(Type.String()),
  createdAt: Time,
});
const TAG = "Upstream credentials";

const list = operation(
  { id: "listUpstreamCredentials", summary: "List what is sent to upstreams in the account's name", tag: TAG },
  { params: IdParams },
  { 200: pageOf(Answer) },
);
const set = operation(
  { id: "setUpstreamCredential", summary: "Send this header to an upstream in the account's name", tag: TAG },
  { params: Params, body: Body },
  { 200: Answer },
);
const remove = operation(
  { id: "removeUpstreamCredential", summary: "Stop sending a header in the account's name", tag: TAG },
  { params: Params },
  { 200: Type.Object({ upstream: Type.String(), header: Type.String() }) },
);

export function registerUpstreamCredentials(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  const path = "/admin/accounts/:id/upstream-credentials";
  app.get(path, list, async (request) => {
    const { id } = await accountOr404(services, request.params.id);
    return { data: (await services.upstreamCredentials.list(id)).map(view), nextCursor: null };
  });
  app.put(`${path}/:upstream/:header`, set, async (request) => {
    const { upstream, header } = request.params;
    const { id: account } = await accountOr404(services, request.params.id);
    if (!Object.hasOwn(services.settings().upstreams, upstream))
      reject("not_found", "upstream:name", `No upstream ${upstream} in the configuration`);
    const name = header.toLowerCase();
    const fault = upstreamHeaderFault(name);
    if (fault !== null) refuseBy("schema:params/header", "params/header", fault);
    const route = routeThatReads(services.settings(), upstream, name);
    if (route !== null) {
      const detail = `Header ${name} says to the route ${route} whose a request is: the app gets what was checked`;
      refuseBy("schema:params/header", "params/header", detail);
    }
    const { value } = request.body;
    if (!isFieldValue(value))
      refuseBy("schema:body/value", "body/value", "Expected a field value: printable ASCII, no blanks at its ends");
    return view(await services.upstreamCredentials.set({ account, upstream, header: name }, value));
  });
  app.delete(`${path}/:upstream/:header`, remove, async (request) => {
    const { upstream } = request.params;
    const { id: account } = await accountOr404(services, request.params.id);
    const header = request.params.header.toLowerCase();
    if (!(await services.upstreamCredentials.remove({ account, upstream, header })))
      reject("not_found", "upstream-credential:name", `No credential for ${header} of ${upstream}`);
    return { upstream, header };
  });
}

/** A route to the upstream that compares this header of its requests with the caller; null: none does. */
function routeThatReads({ routes }: Settings, upstream: string, header: string): string | null {
  const reads = ({ require }: RouteSettings) =>
    [require.account, require.owner, require.resource?.id].some(
      (place) => place?.in === "header" && place.name === header,
    );
  return routes.find((route) => route.upstream === upstream && reads(route))?.name ?? null;
}

function view({ upstream, header, masked, createdAtMs }: UpstreamCredential): Record<string, unknown> {
  return { upstream, header, masked, createdAt: rfc3339(createdAtMs) };
}

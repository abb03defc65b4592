/** `POST /admin/users/bulk`: one change of all users that a filter matches, with a dry run before. Main thread. */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import type { Static } from "typebox";
import type { UserAct } from "#control-plane/bulk/user-bulk.ts";
import type { UserFilter } from "#control-plane/users/user-list.ts";
import { answerBulk, BULK_BYTES_MAX, BulkAnswer, filterFacts } from "./bulk.ts";
import { accountOr404 } from "./found.ts";
import { operation } from "./operation.ts";
import type { Services } from "./services.ts";
import { UserBulkBody } from "./user-schemas.ts";

type Body = Static<typeof UserBulkBody>;

const ACTS: Readonly<Record<Body["action"], UserAct>> = {
  suspend: { kind: "change", change: { state: "suspended" } },
  activate: { kind: "change", change: { state: "active" } },
  delete: { kind: "delete" },
  revokeSessions: { kind: "revokeSessions" },
};

const changeUsers = operation(
  {
    id: "changeUsers",
    summary: "Change all users that a filter matches, or try to",
    tag: "Users",
    errors: ["conflict", "not_found"],
  },
  { body: UserBulkBody },
  { 200: BulkAnswer },
);

export function registerUserBulk(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  app.post("/admin/users/bulk", { ...changeUsers, bodyLimit: BULK_BYTES_MAX }, async ({ body }) => {
    const facts = { action: body.action, filter: filterFacts(body.filter) };
    const wish = { filter: await filterOf(services, body.filter), act: ACTS[body.action], facts };
    return answerBulk("users", body, (terms) => services.userBulk.run({ ...wish, ...terms }));
  });
}

async function filterOf(services: Services, { account, state, ...rest }: Body["filter"]): Promise<UserFilter> {
  const states = state === undefined ? (["active", "suspended"] as const) : [state];
  return { ...rest, states, account: account === undefined ? undefined : (await accountOr404(services, account)).id };
}

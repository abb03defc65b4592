/** `/admin/accounts`: accounts as operators list, make, see and change them. Main thread. Not here: what is done to them by name (`account-actions.ts`). */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import type { Static } from "typebox";
import { wallMs } from "#core/clock.ts";
import { accountUsage, type UsageAsker } from "#control-plane/metering/account-usage.ts";
import { planOf } from "#control-plane/accounts/account-plan.ts";
import type { Account } from "#control-plane/accounts/account.ts";
import { type AccountSort, isPlaceIn, type Place, placeOf } from "#control-plane/accounts/account-list.ts";
import {
  AccountAnswer,
  AccountBody,
  AccountDetail,
  AccountPageAnswer,
  AccountPatch,
  AccountQuery,
  UsageQuery,
} from "./account-schemas.ts";
import { checkExternalId, checkPlan, wishOf } from "./account-wishes.ts";
import { UsageAnswer } from "./billing-answers.ts";
import { cursorOf, readCursor, wrongCursor } from "./cursors.ts";
import { accountOr404, userOr404 } from "./found.ts";
import { ownQuotasOf } from "./limits-of.ts";
import { operation } from "./operation.ts";
import { reject } from "./problems.ts";
import { IdParams } from "./schemas.ts";
import type { Services } from "./services.ts";
import { accountView } from "./views.ts";

const params = IdParams;
const tag = "Accounts";

const listAccounts = operation(
  { id: "listAccounts", summary: "List accounts", tag },
  { querystring: AccountQuery },
  { 200: AccountPageAnswer },
);
const createAccount = operation(
  { id: "createAccount", summary: "Make an account", tag },
  { body: AccountBody },
  { 201: AccountAnswer },
);
const getAccount = operation(
  { id: "getAccount", summary: "Show an account with its usage", tag },
  { params },
  { 200: AccountDetail },
);
const updateAccount = operation(
  { id: "updateAccount", summary: "Change an account", tag, errors: ["conflict"] },
  { params, body: AccountPatch },
  { 200: AccountAnswer },
);
const getUsage = operation(
  { id: "getAccountUsage", summary: "Show what an account has used", tag },
  { params, querystring: UsageQuery },
  { 200: UsageAnswer },
);

export function registerAccounts(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  app.get("/admin/accounts", listAccounts, async (request) => {
    const { limit, cursor, sort, count, ...filter } = request.query;
    const after = cursor === undefined ? null : placeIn(cursor, sort);
    const found = await services.accountList.page({ filter, sort, count: limit + 1, after });
    const shown = found.slice(0, limit);
    const last = found.length > limit ? shown.at(-1) : undefined;
    const nextCursor = last === undefined ? null : cursorAt(last, sort);
    const page = { data: shown.map(accountView), nextCursor };
    return count ? { ...page, total: await services.accountList.count(filter) } : page;
  });
  app.post("/admin/accounts", createAccount, async (request, reply) => {
    const { name, externalId = null, plan = null, email = null } = request.body;
    checkPlan(services.settings(), plan, "plan");
    checkExternalId(externalId);
    const account = await services.accounts.create({ name, externalId, plan, email });
    return reply.code(201).send(accountView(account));
  });
  app.get("/admin/accounts/:id", getAccount, async (request) =>
    detailOf(await accountOr404(services, request.params.id), services),
  );
  app.patch("/admin/accounts/:id", updateAccount, async (request) => {
    const { id } = await accountOr404(services, request.params.id);
    const changed = await services.accounts.change(id, wishOf(request.body, services.settings()));
    // Another plan grants other credits, also to an account that nobody has seen in this run.
    if (request.body.plan !== undefined) await services.grants.usable(id);
    return changed === null ? reject("not_found", "account:id", `No account ${id}`) : accountView(changed);
  });
  app.get("/admin/accounts/:id/usage", getUsage, async (request) => {
    const account = await accountOr404(services, request.params.id);
    const { id } = planOf(services.settings(), account.plan);
    const holders = await holdersOf(account, services, request.query);
    return { account: account.id, plan: id, meters: await metersOf(account, services, holders) };
  });
}

async function detailOf(account: Account, services: Services): Promise<Record<string, unknown>> {
  return {
    ...accountView(account),
    currentPlan: planOf(services.settings(), account.plan).id,
    subscription: null,
    usage: await metersOf(account, services),
    counts: await services.accountList.belongings(account.id, wallMs()),
  };
}

type Holders = Pick<UsageAsker, "keyId" | "user" | "own">;

const NOBODY: Holders = { keyId: null, user: null, own: [] };

/** The key and the user whose lines are asked for too. */
async function holdersOf(account: Account, services: Services, query: Static<typeof UsageQuery>): Promise<Holders> {
  const keyId = query.key ?? null;
  const named = query.user ?? null;
  const user = named === null ? null : (await userOr404(services, named)).externalId;
  const ofKey = await ownQuotasOf(services, { account, keyId, user: null });
  if (ofKey === null) reject("not_found", "key:id", `No key ${keyId} in this account`);
  const ofUser = (await ownQuotasOf(services, { account, keyId: null, user })) ?? [];
  return { keyId, user, own: [...ofKey, ...ofUser] };
}

function metersOf(account: Account, services: Services, holders: Holders = NOBODY) {
  const settings = services.settings();
  const plan = planOf(settings, account.plan);
  return accountUsage(services.usage, Object.keys(settings.meters), {
    account,
    plan,
    ...holders,
  });
}

function cursorAt(account: Account, sort: AccountSort): string {
  const { value, id } = placeOf(account, sort);
  return cursorOf([sort, value, id]);
}

/** The place that a cursor of this order stands for. */
function placeIn(cursor: string, sort: AccountSort): Place {
  const [by, value, id, ...rest] = readCursor(cursor) ?? [];
  if (by !== sort || !isPlaceIn(sort, value) || typeof id !== "string" || rest.length > 0) wrongCursor();
  return { value, id };
}

/** What operators do to an account by name: suspend, activate, delete, restore, clear its rates. Main thread. In force on the next request. */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import type { Settings } from "#config/settings.ts";
import { clearableRates } from "#control-plane/accounts/rate-clears.ts";
import type { Account } from "#control-plane/accounts/account.ts";
import { AccountAnswer, ClearLimitsAnswer, ClearLimitsBody, ExternalIdBody, ReasonBody } from "./account-schemas.ts";
import { checkExternalId } from "./account-wishes.ts";
import { accountOr404 } from "./found.ts";
import { bodyOptional, operation } from "./operation.ts";
import { refuseBy, reject } from "./problems.ts";
import { IdParams } from "./schemas.ts";
import type { Services } from "./services.ts";
import { accountView } from "./views.ts";

const params = IdParams;
const tag = "Accounts";
const withReason = { params, body: ReasonBody };
const answers = { 200: AccountAnswer };

const suspend = operation(
  { id: "suspendAccount", summary: "Refuse every request of an account", tag, errors: ["conflict"] },
  withReason,
  answers,
);
const activate = operation(
  { id: "activateAccount", summary: "Let a suspended account in again", tag, errors: ["conflict"] },
  withReason,
  answers,
);
const remove = operation(
  { id: "deleteAccount", summary: "Delete an account and revoke its keys", tag },
  withReason,
  answers,
);
const clearLimits = operation(
  { id: "clearAccountLimits", summary: "Let an account's rates begin anew", tag },
  { params, body: ClearLimitsBody },
  { 200: ClearLimitsAnswer },
);
const setExternalId = operation(
  { id: "setAccountExternalId", summary: "Let an account be known by another id of yours", tag, errors: ["conflict"] },
  { params, body: ExternalIdBody },
  answers,
);
const restore = operation({ id: "restoreAccount", summary: "Take back a deletion", tag }, { params }, answers);

export function registerAccountActions(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  const { accounts, accountLife } = services;
  app.post("/admin/accounts/:id/suspend", bodyOptional(suspend), async (request) => {
    const { id } = await accountOr404(services, request.params.id);
    return view(await accounts.change(id, { state: "suspended", reason: request.body.reason }), id);
  });
  app.post("/admin/accounts/:id/activate", bodyOptional(activate), async (request) => {
    const { id } = await accountOr404(services, request.params.id);
    return view(await accounts.change(id, { state: "active", reason: request.body.reason }), id);
  });
  app.delete("/admin/accounts/:id", bodyOptional(remove), async (request) => {
    const { id } = await accountOr404(services, request.params.id);
    return view(await accountLife.delete(id, request.body.reason ?? null), id);
  });
  app.post("/admin/accounts/:id/clear-limits", bodyOptional(clearLimits), async (request) => {
    const account = await accountOr404(services, request.params.id);
    const { rates: asked } = request.body;
    const rates = ratesOf(asked, services.settings());
    await services.rateClears.clear(account, asked ?? null);
    return { account: account.id, cleared: rates.length, rates };
  });
  app.put("/admin/accounts/:id/external-id", setExternalId, async (request) => {
    const { externalId, reason } = request.body;
    checkExternalId(externalId);
    const { id } = await accountOr404(services, request.params.id);
    return view(await accounts.change(id, { externalId, reason }), id);
  });
  app.post("/admin/accounts/:id/restore", restore, async (request) => {
    const { id } = await accountOr404(services, request.params.id);
    return view(await accountLife.restore(id), id);
  });
}

/** The rates that are cleared: those asked for, or all that the account has for itself. Refuses others. */
function ratesOf(asked: readonly string[] | undefined, settings: Settings): readonly string[] {
  const known = clearableRates(settings);
  const other = asked?.find((name) => !known.includes(name));
  if (other === undefined) return asked ?? known;
  const words = Object.hasOwn(settings.rates, other)
    ? `Rate ${other} does not count by account, user, key or claim: it is everybody's`
    : `Rate ${other} is not in the configuration; there are ${known.join(", ") || "none"}`;
  return refuseBy("clear-limits:rates", "body/rates", words);
}

function view(account: Account | null, id: string): Record<string, unknown> {
  return account === null ? reject("not_found", "account:id", `No account ${id}`) : accountView(account);
}

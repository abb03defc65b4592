/**
 * `tollgate explain METHOD PATH`: which route takes a request, which rules it meets, and what the answer would be.
 * Runs the phases' own functions on a made-up request; takes nothing from any limit.
 */
import type { Command } from "commander";
import type { Settings } from "#config/settings.ts";
import { statusOf } from "#core/errors.ts";
import { parseDuration } from "#core/units.ts";
import type { DryRun } from "#data-plane/dry-run.ts";
import type { Principal } from "#data-plane/identity/principal.ts";
import type { MeterUsage } from "#control-plane/metering/account-usage.ts";
import type { AccountRecord, KeyRecord, KeySets, OwnLimits, UserRecord } from "#shared/principals.ts";
import type { ResourceRecord } from "#shared/resources.ts";
import { type AdminClient, NotFound } from "./admin-answer.ts";
import { withAdmin } from "./admin-client.ts";
import { collect, CommandFault, type CommonOptions, print, settingsOf, withCommonOptions } from "./context.ts";

interface ExplainOptions extends CommonOptions {
  readonly host: string;
  readonly key?: string;
  readonly token?: string;
  readonly header: readonly string[];
}

export function addExplain(program: Command): void {
  withCommonOptions(program.command("explain <method> <path>").description("Explain what would happen to a request"))
    .option("--host <host>", "Host of the request", "localhost")
    .option("--key <key>", "API key of the request")
    .option("--token <token>", "token of the request")
    .option("--header <header>", 'header of the request, "name: value", may be repeated', collect, [])
    .action(async (method: string, path: string, options: ExplainOptions) => {
      if (options.key !== undefined && options.token !== undefined)
        throw new CommandFault("Name a key or a token, not both");
      const settings = await settingsOf(options);
      const story = await withAdmin(options, (admin) => explain(admin, settings, method.toUpperCase(), path, options));
      print(options, story, tell(story));
    });
}

/** As a client sends it: a key in a header that may carry one. */
function credentialHeader({ key, token }: ExplainOptions, keyHeaders: readonly string[]): readonly string[] {
  const [first] = keyHeaders;
  if (key !== undefined && first !== undefined && !keyHeaders.includes("authorization")) return [first, key];
  const credential = key ?? token;
  return credential === undefined ? [] : ["Authorization", `Bearer ${credential}`];
}

interface Story {
  readonly request: string;
  readonly steps: readonly { readonly phase: string; readonly outcome: string }[];
  readonly route: string | null;
  readonly limits: readonly string[];
  readonly answer: { readonly status: number | null; readonly code: string | null; readonly detail: string };
}

async function explain(
  admin: AdminClient,
  settings: Settings,
  method: string,
  path: string,
  options: ExplainOptions,
): Promise<Story> {
  const headers = [
    "Host",
    options.host,
    ...credentialHeader(options, settings.identity.keys.headers),
    ...options.header.flatMap(headerOf),
  ];
  const [{ dryRun }, { Peer }, { readHead }] = await Promise.all([
    import("#data-plane/dry-run.ts"),
    import("#data-plane/peer.ts"),
    import("#data-plane/wire/head.ts"),
  ]);
  const run = await dryRun({
    settings,
    request: {
      method,
      target: path,
      httpVersion: "1.1",
      head: readHead(headers, "1.1"),
      peer: new Peer("127.0.0.1", false),
    },
    // Public keys exactly as the control plane gives them to workers.
    keySets: (await admin.call("GET", "/admin/key-sets")) as KeySets,
    findKey: (secret) => orNull(async () => lookedUp(await admin.call("POST", "/admin/keys/lookup", { key: secret }))),
    findAccount: (id) =>
      orNull(async () => accountOf(await admin.call("GET", `/admin/accounts/${encodeURIComponent(id)}`))),
    findUser: (id) => orNull(async () => userOf(await admin.call("GET", `/admin/users/${encodeURIComponent(id)}`))),
    findResource: (kind, id) => orNull(() => resourceOf(admin, kind, id)),
    usedUnits: async (principal) => (await orNull(async () => usedOf(await usageOf(admin, principal)))) ?? new Map(),
  });
  const { refusal } = run;
  const answer =
    refusal === null
      ? { status: null, code: null, detail: forwarded(run) }
      : { status: statusOf(refusal), code: refusal.code, detail: `${refusal.detail} (rule ${refusal.rule})` };
  return {
    request: `${method} ${options.host}${path}`,
    steps: run.steps,
    route: run.route,
    limits: run.limits,
    answer,
  };
}

/** Name and value of a header as it is written. */
function headerOf(text: string): readonly [name: string, value: string] {
  const [, name, value] = /^([^\s:]+):[ \t]*(.*?)[ \t]*$/.exec(text) ?? [];
  if (name === undefined || value === undefined)
    throw new CommandFault(`Header "${text}" is not written "name: value"`);
  return [name, value];
}

type Json = Readonly<Record<string, unknown>>;

// The next five read answers of the admin API, whose shapes `control-plane/api/views.ts` fixes.
function accountOf(view: Json): AccountRecord {
  const unknown = { anchorMs: 0, epoch: 0, spendCap: { units: {}, money: null }, grants: [] };
  return { ...unknown, ...view } as unknown as AccountRecord;
}

function lookedUp({ key, account, retiresAt }: Json): { readonly key: KeyRecord; readonly account: AccountRecord } {
  const { id, account: accountId, roles, scopes, enabled, routes, methods, addresses, ...view } = key as Json;
  const record = {
    id,
    accountId,
    roles,
    scopes,
    expiresAtMs: msOrNull(view.expiresAt),
    revoked: view.revokedAt !== null,
    enabled,
    retiresAtMs: msOrNull(retiresAt),
    narrowing: { routes, methods, addresses },
    limits: limitsOf(view.limits),
  };
  return { key: record as KeyRecord, account: accountOf(account as Json) };
}

function userOf(view: Json): UserRecord {
  const { id, externalId, state, sessionsNotBefore: from, deniedSessions } = view;
  const members = (view.members as readonly Json[]).map(({ account, externalAccount, roles, limits }) => [
    account,
    { externalAccount, roles, limits: limitsOf(limits) },
  ]);
  const removed = (view.removedFrom as readonly string[]).map((account) => [account, null]);
  const notBeforeMs = msOrNull(from);
  const record = { id, externalId, state, notBeforeMs, deniedSessions };
  return { ...record, members: Object.fromEntries([...members, ...removed]) } as UserRecord;
}

function limitsOf(view: unknown): OwnLimits | null {
  if (view === null) return null;
  // As `api/own-limits.ts` shows them.
  const { rates, quotas } = view as { readonly rates: readonly RateView[]; readonly quotas: OwnLimits["quotas"] };
  return { rates: rates.map(({ per, ...rate }) => ({ ...rate, perMs: parseDuration(per) ?? 0 })), quotas };
}

interface RateView {
  readonly limit: number;
  readonly per: string;
  readonly burst: number;
}

/** Of the account, and of the principal's key and user. A user that nobody has seen has no lines. */
async function usageOf(admin: AdminClient, { account, keyId, user }: Principal): Promise<Json> {
  const path = `/admin/accounts/${encodeURIComponent(account.id)}/usage`;
  const holder = keyId === null ? (user === null ? "" : `?user=${encodeURIComponent(user)}`) : `?key=${keyId}`;
  return (await orNull(() => admin.call("GET", path + holder))) ?? admin.call("GET", path);
}

function msOrNull(time: unknown): number | null {
  return typeof time === "string" ? Date.parse(time) : null;
}

async function resourceOf(admin: AdminClient, kind: string, asked: string): Promise<ResourceRecord> {
  const path = (id: string) => `/admin/resources/${encodeURIComponent(kind)}/${encodeURIComponent(id)}`;
  // As `api/resource-schemas.ts` says.
  const found = (await admin.call("GET", path(asked))) as unknown as Omit<ResourceRecord, "shares">;
  const { data } = await admin.call("GET", `${path(found.id)}/grants`);
  return { ...found, shares: data as ResourceRecord["shares"] };
}

function usedOf({ meters }: Json): ReadonlyMap<string, number> {
  const lines = meters as readonly MeterUsage[];
  return new Map(lines.map(({ meter, by, window, used }) => [`${meter}/${by}/${window.kind}`, used]));
}

function forwarded({ upstream, rates }: DryRun): string {
  const unless = rates.length === 0 ? "" : `, unless the rate ${rates.join(" or ")} is used up just then (429)`;
  return upstream === "tollgate"
    ? `answered by the gateway itself${unless}`
    : `forwarded to upstream ${upstream}, whose answer it is${unless}`;
}

async function orNull<T>(call: () => Promise<T>): Promise<T | null> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof NotFound) return null;
    throw error;
  }
}

function tell(story: Story): readonly string[] {
  const { answer } = story;
  return [
    story.request,
    ...story.steps.map(({ phase, outcome }) => `  ${phase.padEnd(10)} ${outcome}`),
    ...(story.limits.length === 0 ? [] : ["limits", ...story.limits.map((limit) => `  ${limit}`)]),
    `answer: ${answer.status === null ? "" : `${answer.status} ${answer.code} `}${answer.detail}`,
  ];
}

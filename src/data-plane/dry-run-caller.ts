/**
 * Phase 3 on a made-up request, for `tollgate explain`: as `identify.ts`, but everything is asked of the admin API, and nobody is made. Runs
 * in a command, on no worker.
 */
import { wallMs } from "#core/clock.ts";
import { type Refusal, refuse } from "#core/errors.ts";
import { askedAccount, isOwn, mayAsk, memberAccount, NOT_OURS } from "#data-plane/identity/account-header.ts";
import { type Credential, readCredential, textRefusal } from "#data-plane/identity/credentials.ts";
import { accountOfToken, type Principal, principalOfKey, principalOfToken } from "#data-plane/identity/principal.ts";
import { accountOfOwner, userOfToken } from "#data-plane/identity/token-user.ts";
import { TokenVerifier, type VerifiedToken } from "#data-plane/identity/token-verifier.ts";
import type { Asked } from "#data-plane/policy/named-value.ts";
import { keyFault } from "#shared/key-state.ts";
import type { AccountRecord, KeyRecord, KeySets, TokenUser, UserRecord } from "#shared/principals.ts";
import type { Runtime } from "./runtime.ts";

/** What is known of callers. */
export interface CallerSources {
  readonly keySets: KeySets;
  /** null: no such key. */
  readonly findKey: (secret: string) => Promise<{ readonly key: KeyRecord; readonly account: AccountRecord } | null>;
  /** By our id or the operator's; null: not seen yet. */
  readonly findAccount: (id: string) => Promise<AccountRecord | null>;
  /** By external id; null: not seen yet. */
  readonly findUser: (externalId: string) => Promise<UserRecord | null>;
}

export class DryCaller {
  readonly #sources: CallerSources;
  readonly #runtime: Runtime;

  constructor(sources: CallerSources, runtime: Runtime) {
    this.#sources = sources;
    this.#runtime = runtime;
  }

  /** null: nobody, on a route that allows it. */
  async identify({ route, head, target }: Asked): Promise<Principal | Refusal | null> {
    if (route.auth === "none") return null;
    const credential = readCredential(head, target.query, this.#runtime.keys);
    if (credential === null) {
      return route.auth === "optional"
        ? null
        : refuse("credentials_missing", `route:${route.name}`, "No token and no API key");
    }
    if ("code" in credential) return credential;
    if (credential.kind === "key" ? !route.acceptsKey : !route.acceptsJwt) {
      return refuse(
        "credentials_invalid",
        `route:${route.name}`,
        `This route takes no ${credential.kind === "key" ? "API keys" : "tokens"}`,
      );
    }
    const account = askedAccount(head, this.#runtime);
    if (typeof account === "object" && account !== null) return account;
    return credential.kind === "key" ? this.#byKey(credential, account) : this.#byToken(credential, account);
  }

  async #byKey(credential: Credential, asked: string | null): Promise<Principal | Refusal> {
    const { settings } = this.#runtime;
    const misfit = textRefusal(credential);
    if (misfit !== null) return misfit;
    const found = await this.#sources.findKey(credential.text);
    if (found === null) return refuse("credentials_invalid", "key:unknown", "API key is not known");
    const fault = keyFault(found.key, wallMs());
    if (fault !== null) return fault;
    if (!isOwn(found.account, asked)) return NOT_OURS;
    return principalOfKey(found.key, found.account, settings);
  }

  async #byToken({ text, digest }: Credential, asked: string | null): Promise<Principal | Refusal> {
    const { settings } = this.#runtime;
    const verifier = new TokenVerifier(settings.identity.issuers, this.#sources.keySets, () => Promise.resolve());
    const token = await verifier.verify(text, digest);
    if ("code" in token) return token;
    const externalId = accountOfToken(token);
    if (externalId === null) return refuse("credentials_invalid", "token:account", "Token names no account");
    const found = await this.#sources.findAccount(externalId);
    const known = found ?? newAccount(externalId);
    const user = await this.#user(userOfToken(token), known, found === null);
    const acting = isOwn(known, asked) ? known : await this.#ofAsked(token, user, asked);
    if (acting !== null && "code" in acting) return acting;
    const account = accountOfOwner(token, { account: acting, user });
    return "code" in account ? account : principalOfToken(token, account, user, settings);
  }

  /** Another account, by the account header. */
  async #ofAsked(
    token: VerifiedToken,
    user: UserRecord | null,
    asked: string | null,
  ): Promise<AccountRecord | Refusal | null> {
    const id = mayAsk(token) ? memberAccount(user, asked) : null;
    return id === null ? NOT_OURS : this.#sources.findAccount(id);
  }

  /** As the first sight of the token would make them, where nobody has seen them. */
  async #user(
    named: TokenUser | null,
    { id, externalId: externalAccount }: AccountRecord,
    isFirst: boolean,
  ): Promise<UserRecord | null> {
    if (named === null) return null;
    const { externalId } = named;
    const user = (await this.#sources.findUser(externalId)) ?? newUser(externalId);
    if (Object.hasOwn(user.members, id)) return user;
    const { firstRoles, roles: laterRoles } = this.#runtime.settings.identity.members;
    const roles = isFirst ? firstRoles : laterRoles;
    return { ...user, members: { ...user.members, [id]: { externalAccount, roles, limits: null } } };
  }
}

/** An account that a token names and nobody has seen. */
function newAccount(externalId: string): AccountRecord {
  return {
    id: "(made at first sight)",
    externalId,
    name: externalId,
    state: "active",
    plan: null,
    anchorMs: 0,
    epoch: 0,
    spendCap: { units: {}, money: null },
    grants: [],
  };
}

function newUser(externalId: string): UserRecord {
  return {
    id: "(made at first sight)",
    externalId,
    state: "active",
    notBeforeMs: null,
    deniedSessions: [],
    members: {},
  };
}

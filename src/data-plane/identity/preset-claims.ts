/**
 * What the tokens of some issuers say in ways of their own, said as others say it; and whom a token is for. Worker thread, pure; only for
 * tokens whose signature holds. Which claims mean what by default: `config/issuer-presets.ts`.
 */
import type { IssuerPreset, IssuerSettings } from "#config/identity-settings.ts";
import { type Claims, listClaim } from "./claims.ts";

/** A token of 8 KiB could name a million by its features times its permissions. */
const PERMISSIONS_MAX = 1000;

/** The claims as configuration and routes speak of them: those of the token, and what they say in other words. */
export function presetClaims(preset: IssuerPreset, claims: Claims): Claims {
  if (preset === "clerk") return { ...claims, ...organisationOf(claims), ...planOf(claims) };
  // Both names are in use for the same thing.
  if (preset === "dynamic" && claims.scope === undefined && claims.scopes !== undefined)
    return { ...claims, scope: claims.scopes };
  return claims;
}

/** Version 2 of Clerk's session tokens packs the organisation into `o`; the result is as version 1 has it. */
function organisationOf({ v, o, fea }: Claims): Claims {
  if (v === undefined || v === 1) return {};
  // What version 1 called so may be a custom claim by now, which is not the organisation's.
  const none = { org_id: undefined, org_slug: undefined, org_role: undefined, org_permissions: undefined };
  if (v !== 2 || typeof o !== "object" || o === null) return none;
  // Checked on the line above.
  const { id, slg, rol, per, fpm } = o as Claims;
  return {
    org_id: id,
    org_slug: slg,
    org_role: typeof rol === "string" ? `org:${rol}` : undefined,
    org_permissions: permissionsOf(textOf(fea), textOf(per), textOf(fpm)),
  };
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/**
 * `fea` names features, `per` permissions; number n of `fpm` says in its bits which permissions there are of the organisation's n-th
 * feature, the lowest bit for the first.
 */
function permissionsOf(features: string, permissions: string, maps: string): readonly string[] {
  const names = permissions.split(",");
  const bits = maps.split(",");
  const all: string[] = [];
  for (const [index, feature] of organisationFeatures(features).entries()) {
    if (feature === "") continue;
    for (const name of namesIn(bits[index] ?? "", names)) {
      if (all.length === PERMISSIONS_MAX) return all;
      all.push(`org:${feature}:${name}`);
    }
  }
  return all;
}

/** Of `o:dashboard,u:invoices,uo:teams` those an organisation has: dashboard and teams. */
function organisationFeatures(features: string): readonly string[] {
  return features.split(",").flatMap((text) => {
    const [scope = "", feature = ""] = text.trim().split(":", 2);
    return scope.includes("o") ? [feature] : [];
  });
}

function namesIn(bits: string, names: readonly string[]): readonly string[] {
  if (!/^\d{1,15}$/.test(bits.trim())) return [];
  const set = Number(bits);
  return names.map((name) => name.trim()).filter((name, bit) => name !== "" && Math.floor(set / 2 ** bit) % 2 === 1);
}

/** `pla` is `o:pro` of an organisation, `u:pro` of a user. A `plan` of the operator's own making stays. */
function planOf({ pla, plan }: Claims): Claims {
  const slug = /^(?:u|o|uo|ou):(.+)$/.exec(textOf(pla))?.[1];
  return slug === undefined || plan !== undefined ? {} : { plan: slug };
}

/** The claim by which a token is not for us, or not good yet; null: there is none. */
export function foreignClaim(settings: IssuerSettings, claims: Claims): string | null {
  const { preset, audiences } = settings;
  if (preset === "cognito") return foreignToCognito(settings, claims);
  // RFC 7519 §4.1.3; where the file names audiences, jose has looked.
  if (audiences.length === 0 && claims.aud !== undefined) return "aud";
  if (preset === "clerk") return unfinishedAtClerk(settings, claims) ?? foreignParty(settings, "azp", claims);
  if (preset === "dynamic" && !isWholeLogin(listClaim(claims, "scope"))) return "scope";
  const party = claims.azp === undefined && claims.client_id !== undefined ? "client_id" : "azp";
  return foreignParty(settings, party, claims);
}

function foreignParty({ authorizedParties }: IssuerSettings, party: string, claims: Claims): string | null {
  return authorizedParties.length === 0 || isOneOf(authorizedParties, claims[party]) ? null : party;
}

/** Id tokens are for the client in `aud`; access tokens for that in `client_id`, and for the API in `aud` if there is one. */
function foreignToCognito({ authorizedParties, audiences, tokenUse }: IssuerSettings, claims: Claims): string | null {
  const use = claims.token_use;
  if ((use !== "access" && use !== "id") || (tokenUse !== "any" && use !== tokenUse)) return "token_use";
  if (use === "id") return isOneOf(authorizedParties, claims.aud) ? null : "aud";
  if (!isOneOf(authorizedParties, claims.client_id)) return "client_id";
  const isBound = audiences.length > 0 || claims.aud !== undefined;
  const named: readonly unknown[] = Array.isArray(claims.aud) ? claims.aud : [claims.aud];
  return isBound && !named.some((audience) => isOneOf(audiences, audience)) ? "aud" : null;
}

/**
 * A session has an id, and is not pending (a task is still to be done, such as a second factor). Tokens of other kinds are made by the
 * same key: those of JWT templates are told by their audience.
 */
function unfinishedAtClerk({ audiences }: IssuerSettings, { sid, sts }: Claims): string | null {
  if (sts !== undefined && sts !== "active") return "sts";
  return typeof sid === "string" || audiences.length > 0 ? null : "sid";
}

/** Dynamic: without the one, or with the other, a second factor is still to come. */
function isWholeLogin(scopes: readonly string[]): boolean {
  return scopes.includes("user:basic") && !scopes.includes("requiresAdditionalAuth");
}

function isOneOf(accepted: readonly string[], value: unknown): boolean {
  return typeof value === "string" && accepted.includes(value);
}

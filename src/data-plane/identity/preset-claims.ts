/**
 * What the tokens of some issuers say in ways of their own, said as others say it; and whom a token is for. Worker thread, pure; only for
 * tokens whose signature holds. Which claims mean what by default: `config/issuer-presets.ts`.
 */
import type { IssuerPreset, IssuerSettings } from "#config/settings.ts";
import type { Claims } from "./claims.ts";

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
  if (v !== 2) return {};
  // What version 1 called so may be a custom claim by now, which is not the organisation's.
  const none = { org_id: undefined, org_slug: undefined, org_role: undefined, org_permissions: undefined };
  if (typeof o !== "object" || o === null) return none;
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
    return scope.includes("o") && feature !== "" ? [feature] : [];
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

/** The claim by which a token is not for us; null: it is, or the file does not say for whom. */
export function foreignClaim({ preset, authorizedParties, tokenUse }: IssuerSettings, claims: Claims): string | null {
  if (preset === "cognito") {
    const use = claims.token_use;
    if ((use !== "access" && use !== "id") || (tokenUse !== "any" && use !== tokenUse)) return "token_use";
    const party = use === "access" ? "client_id" : "aud";
    return isOneOf(authorizedParties, claims[party]) ? null : party;
  }
  if (authorizedParties.length === 0) return null;
  const party = claims.azp === undefined && claims.client_id !== undefined ? "client_id" : "azp";
  return isOneOf(authorizedParties, claims[party]) ? null : party;
}

function isOneOf(accepted: readonly string[], value: unknown): boolean {
  return typeof value === "string" && accepted.includes(value);
}

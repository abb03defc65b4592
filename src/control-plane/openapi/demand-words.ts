/** What an operation asks of its callers, in words. Main thread, pure. */
import { SCHEMES } from "#config/access-settings.ts";
import type { Access } from "./document.ts";

/** Markdown; empty: nothing is asked but to be known. */
export function demandWords({ auth, permission, demands }: Access): string {
  const { require, schemes, rates } = demands;
  const sentences = [
    ...(permission === null ? [] : [permissionWords(auth, permission)]),
    ...(require.roles.length === 0 ? [] : [`Needs one of the roles ${coded(require.roles)}.`]),
    ...(require.permissions.length === 0 ? [] : [`Needs the permissions ${coded(require.permissions)}.`]),
    ...(require.scopes.length === 0 ? [] : [`Needs the scopes ${coded(require.scopes)}.`]),
    ...(require.features.length === 0 ? [] : [`Needs a plan with ${coded(require.features)}.`]),
    ...(schemes.length === SCHEMES.length
      ? []
      : [schemes.includes("jwt") ? "Takes tokens only." : "Takes API keys only."]),
    ...(rates.length === 0 ? [] : [`Limited by the rates ${coded(rates.map(({ name }) => name))}.`]),
  ];
  return sentences.join(" ");
}

/** Whoever has the admin token needs none. */
function permissionWords(auth: Access["auth"], permission: string): string {
  return auth === "operator"
    ? `On the traffic listener (\`server.adminOnListen\`) it needs the permission \`${permission}\`.`
    : `Needs the permission \`${permission}\`.`;
}

function coded(words: readonly string[]): string {
  return words.map((word) => `\`${word}\``).join(", ");
}

/** The token rows once more for each preset: what a preset knows of its issuer's tokens opens no door that is shut for others. */
import { describe } from "vitest";
import { JWT_ALGORITHMS } from "./jwt-algorithms.ts";
import { JWT_CLAIMS } from "./jwt-claims.ts";
import { JWT_KEYS } from "./jwt-world.ts";
import { testRows } from "./runner.ts";
import { sharedWorld } from "./shared-world.ts";

const PRESETS = {
  clerk: { authorizedParties: ["web"] },
  auth0: { authorizedParties: ["web"] },
  cognito: { authorizedParties: ["web"] },
  dynamic: {},
} as const;

describe.each(Object.entries(PRESETS))("preset %s", (preset, rules) => {
  const world = sharedWorld({
    keys: JWT_KEYS,
    issuer: { preset, ...rules },
    issuerSuffix: preset === "auth0" ? "/" : "",
  });
  testRows([...JWT_ALGORITHMS, ...JWT_CLAIMS], world);
});

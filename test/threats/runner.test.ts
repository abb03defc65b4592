/** The runner can fail, in each thing it looks at; and no row of the list that is to be green is missing. */
import { describe, expect, test } from "vitest";
import { ADMIN, ADMIN_DEFAULTS } from "./admin.ts";
import { ADMIN_LISTS } from "./admin-lists.ts";
import { APIKEY } from "./apikey.ts";
import { APIKEY_ENDS } from "./apikey-ends.ts";
import { CONFIG_RULES } from "./config-rules.ts";
import { DURABILITY } from "./durability.ts";
import { DURABILITY_ERRORS } from "./durability-errors.ts";
import { DURABILITY_KILLS } from "./durability-kills.ts";
import { DURABILITY_MEDIA } from "./durability-media.ts";
import { DURABILITY_WRITES } from "./durability-writes.ts";
import { bearer, getPrivate, passed, refused } from "./expectations.ts";
import { FRAMING_BODIES } from "./framing-bodies.ts";
import { FRAMING_CHUNKS } from "./framing-chunks.ts";
import { FRAMING_LENGTHS } from "./framing-lengths.ts";
import { FRAMING_LINES } from "./framing-lines.ts";
import { IDENTITY_ADDRESSES, TRUSTED_PROXIES } from "./identity-addresses.ts";
import { IDENTITY_CREDENTIALS } from "./identity-credentials.ts";
import { IDENTITY_NAMES } from "./identity-names.ts";
import { JWT_ALGORITHMS } from "./jwt-algorithms.ts";
import { JWT_CLAIMS } from "./jwt-claims.ts";
import { JWT_FETCHES } from "./jwt-fetches.ts";
import { JWT_KEY_ROWS } from "./jwt-keys.ts";
import { LIMITS } from "./limits.ts";
import { LIMITS_CLOCK } from "./limits-clock.ts";
import { LIMITS_FAILURES } from "./limits-failures.ts";
import { LIMITS_KEYS } from "./limits-keys.ts";
import { PATH_HOSTS } from "./path-hosts.ts";
import { PATH_OVERRIDES } from "./path-overrides.ts";
import { PATH_TARGETS } from "./path-targets.ts";
import { RBAC } from "./rbac.ts";
import { RELOAD } from "./reload.ts";
import { RESPONSE_CONTENTS } from "./response-contents.ts";
import { RESPONSE_ENDS } from "./response-ends.ts";
import { RESPONSE_FRAMING } from "./response-framing.ts";
import { type Case, runCases } from "./runner.ts";
import type { Expectation } from "./seen.ts";
import { sharedWorld } from "./shared-world.ts";
import { TIMES } from "./times.ts";
import { VECTORS } from "./vectors.ts";
import type { World } from "./world.ts";

const SHARED = [
  ADMIN,
  ADMIN_LISTS,
  APIKEY,
  FRAMING_BODIES,
  FRAMING_CHUNKS,
  FRAMING_LENGTHS,
  FRAMING_LINES,
  IDENTITY_ADDRESSES,
  IDENTITY_CREDENTIALS,
  IDENTITY_NAMES,
  JWT_ALGORITHMS,
  JWT_CLAIMS,
  PATH_HOSTS,
  PATH_OVERRIDES,
  PATH_TARGETS,
  RBAC,
  RESPONSE_CONTENTS,
  RESPONSE_ENDS,
  RESPONSE_FRAMING,
].flat();
const LONE = [
  ADMIN_DEFAULTS,
  APIKEY_ENDS,
  CONFIG_RULES,
  DURABILITY,
  DURABILITY_ERRORS,
  DURABILITY_KILLS,
  DURABILITY_MEDIA,
  DURABILITY_WRITES,
  JWT_FETCHES,
  JWT_KEY_ROWS,
  LIMITS,
  LIMITS_CLOCK,
  LIMITS_FAILURES,
  LIMITS_KEYS,
  RELOAD,
  TIMES,
  TRUSTED_PROXIES,
  VECTORS,
].flat();

const numbered = (letter: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${letter}${String(index + 1).padStart(2, "0")}`);

test("every row that is to be green stands in a table, with something to do", () => {
  const wanted = [
    ...numbered("A", 26),
    ...numbered("B", 20),
    ...numbered("C", 14),
    ...numbered("D", 10),
    ...numbered("H", 22),
    ...numbered("I", 14),
    "K01",
    "K02",
    "K03",
    "K08",
    "K11",
    ...numbered("L", 12),
  ];
  expect([...new Set([...SHARED, ...LONE].map(({ id }) => id))].sort()).toEqual(wanted);
  expect(SHARED.filter(({ cases, story }) => cases === undefined && story === undefined)).toEqual([]);
});

describe("an expectation that does not hold fails its row", () => {
  const world = sharedWorld();
  const wrong: Readonly<Record<string, Partial<Expectation>>> = {
    status: { status: 204 },
    close: { close: true },
    forwarded: { forwarded: 2 },
    usage: { usage: 0 },
    fetches: { fetches: 1 },
    "a header the upstream got": { upstream: { equals: { "x-tollgate-account": "globex" } } },
    "a header the upstream must not get": { upstream: { absent: ["x-tollgate-account"] } },
    "a header of the answer": { response: { equals: { "content-type": "text/html" } } },
    "a header that must not be in the answer": { response: { absent: ["x-request-id"] } },
    "a text that must not be in the answer": { body: { lacks: ["x-forwarded-for"] } },
  };
  for (const [what, expectation] of Object.entries(wrong))
    test.fails(`${what}`, async () => {
      expect.hasAssertions();
      await runCases(world(), [ordinary(world(), passed(expectation))]);
    });
  test.fails("the reason of a refusal", async () => {
    expect.hasAssertions();
    await runCases(world(), [{ what: "", send: getPrivate(), expect: refused(401, "route:public") }]);
  });
  test.fails("no case at all", async () => {
    expect.hasAssertions();
    await runCases(world(), []);
  });
  test("while the true one passes", async () => {
    expect.hasAssertions();
    await runCases(world(), [
      ordinary(world(), passed({ close: false, fetches: 0, upstream: { equals: { "x-tollgate-account": "acme" } } })),
    ]);
  });
});

function ordinary({ acme }: World, wanted: Expectation): Case {
  return { what: "", send: getPrivate(bearer(acme.key)), expect: wanted };
}

/** The rows about limits and quotas under attack. */
import { afterAll } from "vitest";
import { LIMITS, sharedScene } from "./limits.ts";
import { LIMITS_CLOCK } from "./limits-clock.ts";
import { LIMITS_FAILURES } from "./limits-failures.ts";
import { LIMITS_KEYS } from "./limits-keys.ts";
import { testLoneRows } from "./runner.ts";

afterAll(() => sharedScene.end());

testLoneRows([LIMITS, LIMITS_KEYS, LIMITS_FAILURES, LIMITS_CLOCK].flat());

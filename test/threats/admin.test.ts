/** The rows about the admin API, and about configurations that would give it away. */
import { ADMIN, ADMIN_DEFAULTS } from "./admin.ts";
import { ADMIN_LISTS } from "./admin-lists.ts";
import { CONFIG_RULES } from "./config-rules.ts";
import { testLoneRows, testRows } from "./runner.ts";
import { sharedWorld } from "./shared-world.ts";

testRows([...ADMIN, ...ADMIN_LISTS], sharedWorld());
testLoneRows([...ADMIN_DEFAULTS, ...CONFIG_RULES]);

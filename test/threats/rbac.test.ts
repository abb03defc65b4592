/** The rows about roles and permissions. */
import { RBAC } from "./rbac.ts";
import { testRows } from "./runner.ts";
import { sharedWorld } from "./shared-world.ts";

testRows(RBAC, sharedWorld());

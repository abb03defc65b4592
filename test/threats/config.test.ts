/** The rows about configuration that changes while the gateway runs, and about what becomes of secrets. */
import { CANARIES } from "./canaries.ts";
import { RELOAD } from "./reload.ts";
import { testLoneRows } from "./runner.ts";

testLoneRows([...RELOAD, ...CANARIES]);

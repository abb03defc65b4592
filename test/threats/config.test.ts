/** The rows about configuration that changes while the gateway runs. */
import { RELOAD } from "./reload.ts";
import { testLoneRows } from "./runner.ts";

testLoneRows(RELOAD);

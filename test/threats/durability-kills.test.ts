/** The rows about `kill -9`. */
import { DURABILITY_KILLS } from "./durability-kills.ts";
import { testLoneRows } from "./runner.ts";

testLoneRows(DURABILITY_KILLS);

/** The rows about a gateway's end and about its data folder. */
import { DURABILITY } from "./durability.ts";
import { testLoneRows } from "./runner.ts";

testLoneRows(DURABILITY);

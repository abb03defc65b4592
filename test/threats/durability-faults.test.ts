/** The rows about disks that fail, lie or are slow. */
import { DURABILITY_ERRORS } from "./durability-errors.ts";
import { DURABILITY_WRITES } from "./durability-writes.ts";
import { testLoneRows } from "./runner.ts";

testLoneRows([...DURABILITY_ERRORS, ...DURABILITY_WRITES]);

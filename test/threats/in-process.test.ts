/** The rows that are tried on parts in process: ten thousands of lookups, a thousand tokens. No gateway runs. */
import { testLoneRows } from "./runner.ts";
import { TIMES } from "./times.ts";
import { VECTORS } from "./vectors.ts";

testLoneRows([...TIMES, ...VECTORS]);

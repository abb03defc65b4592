/** The token rows that need a gateway of their own: they count fetches, change keys or refuse the start. */
import { JWT_FETCHES } from "./jwt-fetches.ts";
import { JWT_KEY_ROWS } from "./jwt-keys.ts";
import { testLoneRows } from "./runner.ts";

testLoneRows([...JWT_FETCHES, ...JWT_KEY_ROWS]);

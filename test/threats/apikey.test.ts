/** The API key rows. */
import { APIKEY } from "./apikey.ts";
import { APIKEY_ENDS } from "./apikey-ends.ts";
import { testLoneRows, testRows } from "./runner.ts";
import { sharedWorld } from "./shared-world.ts";

testRows(APIKEY, sharedWorld());
testLoneRows(APIKEY_ENDS);

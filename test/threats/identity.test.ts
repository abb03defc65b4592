/** The identity rows: who a client can pretend to be. */
import { IDENTITY_ADDRESSES, TRUSTED_PROXIES } from "./identity-addresses.ts";
import { IDENTITY_CREDENTIALS } from "./identity-credentials.ts";
import { IDENTITY_NAMES } from "./identity-names.ts";
import { testLoneRows, testRows } from "./runner.ts";
import { sharedWorld } from "./shared-world.ts";

const world = sharedWorld();

testRows([...IDENTITY_NAMES, ...IDENTITY_ADDRESSES, ...IDENTITY_CREDENTIALS], world);
testLoneRows(TRUSTED_PROXIES);

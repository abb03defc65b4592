/** The token rows that one gateway can take one after another. Those that change keys or count fetches are in jwt-keys.test.ts. */
import { JWT_ALGORITHMS } from "./jwt-algorithms.ts";
import { JWT_CLAIMS } from "./jwt-claims.ts";
import { JWT_KEYS } from "./jwt-world.ts";
import { testRows } from "./runner.ts";
import { sharedWorld } from "./shared-world.ts";

testRows([...JWT_ALGORITHMS, ...JWT_CLAIMS], sharedWorld({ keys: JWT_KEYS }));

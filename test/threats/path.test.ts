/** The path rows: whom a request is for. */
import { testRowsOnBothLanes } from "./lanes.ts";
import { PATH_HOSTS } from "./path-hosts.ts";
import { PATH_OVERRIDES } from "./path-overrides.ts";
import { PATH_TARGETS } from "./path-targets.ts";

testRowsOnBothLanes([...PATH_HOSTS, ...PATH_TARGETS, ...PATH_OVERRIDES]);

/** The rows about disks, segments and copies. */
import { DURABILITY_MEDIA } from "./durability-media.ts";
import { testLoneRows } from "./runner.ts";

testLoneRows(DURABILITY_MEDIA);

/** The framing rows: where a message ends, and where the next one begins. */
import { FRAMING_BODIES } from "./framing-bodies.ts";
import { FRAMING_CHUNKS } from "./framing-chunks.ts";
import { FRAMING_LENGTHS } from "./framing-lengths.ts";
import { FRAMING_LINES } from "./framing-lines.ts";
import { testRowsOnBothLanes } from "./lanes.ts";

testRowsOnBothLanes([...FRAMING_LENGTHS, ...FRAMING_LINES, ...FRAMING_CHUNKS, ...FRAMING_BODIES]);

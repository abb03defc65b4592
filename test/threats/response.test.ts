/** The response rows: what an app can do to the gateway and to its clients. */
import { testRowsOnBothLanes } from "./lanes.ts";
import { RESPONSE_CONTENTS } from "./response-contents.ts";
import { REQUEST_TIMEOUT_MS, RESPONSE_ENDS } from "./response-ends.ts";
import { RESPONSE_FRAMING } from "./response-framing.ts";

testRowsOnBothLanes([...RESPONSE_FRAMING, ...RESPONSE_ENDS, ...RESPONSE_CONTENTS], {
  server: { limits: { requestTimeout: `${REQUEST_TIMEOUT_MS}ms` } },
});

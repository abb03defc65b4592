/** Test help: what the loader says about a text. */
import { ConfigFaults, formatFault } from "#config/faults.ts";
import { parseSettings } from "#config/load.ts";
import type { Environment } from "#config/references.ts";
import type { Settings } from "#config/settings.ts";

/** The smallest valid file, six lines; further sections may follow. */
export const BASE = `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - { name: all, upstream: app, match: { path: /all } }
`;

/** Every fault as `line:column message (hint)`; an empty list when the text is valid. Other errors pass through. */
export function faultsOf(text: string, env: Environment = {}, file = "/etc/tollgate/gateway.yaml"): readonly string[] {
  try {
    parseSettings(text, file, env);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigFaults)) throw error;
    return error.faults.map((fault) =>
      formatFault({ ...fault, file: "" })
        .slice(1)
        .replace(/^(\d+:\d+): /, "$1 "),
    );
  }
}

/** Settings of a text that has to be valid. */
export function settingsOf(text: string, env: Environment = {}, file = "/etc/tollgate/gateway.yaml"): Settings {
  return parseSettings(text, file, env);
}

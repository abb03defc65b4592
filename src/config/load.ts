/**
 * The way from `gateway.yaml` to Settings: read, parse, resolve, validate, understand, normalise. Main thread, at start
 * and at every reload. Not here: watching the file, and what a reload may change (`control-plane`).
 */
import path from "node:path";
import { ConfigFaults } from "./faults.ts";
import { normalize } from "./normalize.ts";
import { readTextFile } from "./read-text.ts";
import { type Environment, resolveReferences } from "./references.ts";
import type { GatewayFile } from "./schema.ts";
import { meaningFaults } from "./semantics.ts";
import type { Settings } from "./settings.ts";
import { validateShape } from "./validate.ts";
import { viewOf } from "./view.ts";
import { atStart, parseYaml, plainData } from "./yaml-source.ts";

const FILE_BYTES_MAX = 4 * 1_048_576;

/** Settings of a file, deeply frozen. Throws ConfigFaults with everything that is wrong, and nothing else. */
export function loadSettings(file: string, env: Environment = process.env): Settings {
  const read = readTextFile(file, FILE_BYTES_MAX);
  if (read.kind === "text") return parseSettings(read.text, file, env);
  const hint = read.reason === "there is no such file" ? "name another one with -c FILE" : null;
  throw new ConfigFaults([atStart(file, `Cannot read the configuration: ${read.reason}`, hint)]);
}

/**
 * Settings of a text, as if it stood in `file`: relative paths start in its folder and faults carry its name.
 * Reads the files that `${file:PATH}` names. Throws ConfigFaults.
 */
export function parseSettings(text: string, file: string, env: Environment = process.env): Settings {
  if (Buffer.byteLength(text) > FILE_BYTES_MAX) {
    throw new ConfigFaults([atStart(file, `Expected at most ${FILE_BYTES_MAX / 1_048_576} MiB of configuration`)]);
  }
  const absolute = path.resolve(file);
  const parsed = parseYaml(text, file);
  if (parsed.kind === "unreadable") throw new ConfigFaults(parsed.faults);
  const { source } = parsed;
  const references = resolveReferences(source, env, path.dirname(absolute));
  const plain = plainData(source);
  if ("fault" in plain) throw new ConfigFaults([...parsed.faults, ...references.faults, plain.fault]);
  const shape = validateShape(source, plain.data, references);
  const meaning = meaningFaults(source, viewOf(plain.data, shape.badPaths));
  const faults = [...parsed.faults, ...references.faults, ...shape.faults, ...meaning];
  if (faults.length > 0) throw new ConfigFaults(faults);
  // Ajv found the data to be what the schema says, and GatewayFile is that schema's type.
  return freeze(normalize(plain.data as GatewayFile, absolute));
}

/** Freezes a tree of plain data in place. */
function freeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  for (const child of Object.values(value)) freeze(child);
  return Object.freeze(value);
}

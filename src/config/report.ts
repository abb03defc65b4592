/** Where the rules of `semantics.ts` put what they find. Main thread. */
import type { Fault } from "./faults.ts";
import { faultAtKey, faultAtValue, type Path } from "./locate.ts";
import type { YamlSource } from "./yaml-source.ts";

/** Collects faults by path. */
export interface Report {
  readonly faults: readonly Fault[];
  /** At the value of a path. */
  value(path: Path, message: string, hint?: string | null): void;
  /** At the key of a path. */
  key(path: Path, message: string, hint?: string | null): void;
}

/** An empty report over one file. */
export function createReport(source: YamlSource): Report {
  const faults: Fault[] = [];
  return {
    faults,
    value: (path, message, hint = null) => void faults.push(faultAtValue(source, path, message, hint)),
    key: (path, message, hint = null) => void faults.push(faultAtKey(source, path, message, hint)),
  };
}

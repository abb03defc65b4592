/** What a reload changes. Main thread, pure. */
import { isDeepStrictEqual } from "node:util";
import type { Settings } from "#config/settings.ts";

/** Names of changed settings that a running process cannot take on. */
export function needRestart(before: Settings, after: Settings): readonly string[] {
  const pairs: readonly (readonly [string, unknown, unknown])[] = [
    ["server.listen", before.server.listen, after.server.listen],
    ["server.tls", before.server.tls === null, after.server.tls === null],
    ["server.admin", before.server.admin, after.server.admin],
    ["server.workers", before.server.workers, after.server.workers],
    ["server.lane", before.server.lane, after.server.lane],
    ["server.limits.headerBytes", before.server.limits.headerBytesMax, after.server.limits.headerBytesMax],
    // A token taken out of the file stays in force: the one made at first start is known only to the operator.
    ["server.adminToken", after.server.adminToken === null ? before.server.adminToken : null, null],
    ["store.url", before.store.file, after.store.file],
  ];
  return pairs.flatMap(([name, old, now]) => (JSON.stringify(old) === JSON.stringify(now) ? [] : [name]));
}

/** Names of the top-level parts that differ: their values may be secrets. */
export function changedSections(before: Settings, after: Settings): readonly string[] {
  return Object.entries(after).flatMap(([name, now]) =>
    isDeepStrictEqual(now, before[name as keyof Settings]) ? [] : [name],
  );
}

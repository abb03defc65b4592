/**
 * Faults of a configuration file: values with a position, collected and thrown together. Main thread.
 * Not here: how a fault is found (`yaml-source.ts`, `references.ts`, `validate.ts`, `semantics.ts`).
 */

/** One thing that is wrong, where, and what helps. Line and column count from 1. */
export interface Fault {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
  readonly hint: string | null;
}

/** `gateway.yaml:12:7: message (hint)`: the form that editors and terminals turn into a link. */
export function formatFault(fault: Fault): string {
  const hint = fault.hint === null ? "" : ` (${fault.hint})`;
  return `${fault.file}:${fault.line}:${fault.column}: ${fault.message}${hint}`;
}

/** By position, each fault once. */
function sortFaults(faults: readonly Fault[]): readonly Fault[] {
  const unique = new Map(faults.map((fault) => [formatFault(fault), fault]));
  return [...unique.values()].toSorted((a, b) => a.line - b.line || a.column - b.column);
}

/** Thrown by the loader with every fault of the file, sorted by position; never with none. */
export class ConfigFaults extends Error {
  override readonly name = "ConfigFaults";
  readonly faults: readonly Fault[];

  constructor(faults: readonly Fault[]) {
    const sorted = sortFaults(faults);
    super(sorted.map(formatFault).join("\n"));
    this.faults = sorted;
  }
}

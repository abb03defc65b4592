/** What a suite is given and gives. */
import type { Stage } from "#bench/stage.ts";

export interface SuiteOptions {
  readonly seconds: number;
  readonly connections: number;
  /** How often all of it is done; figures are the medians. */
  readonly rounds: number;
  /** Only names that match. */
  readonly only: RegExp;
}

/** One line of the results. Figures have their unit in their name. */
export type Row = Readonly<Record<string, string | number | boolean | null>>;

/** Shows a line as soon as there is one, keeps it, and says what could not be measured. */
export interface Recorder {
  add(row: Row): void;
  failed(name: string, reason: string): void;
}

export type Suite = (stage: Stage, options: SuiteOptions, recorder: Recorder) => Promise<void>;

/**
 * Lanes that tests about what is on the wire run on: both in CI (TOLLGATE_LONG=1), else the one that the run is for, the fast one by
 * default: everybody's own run is to end within minutes.
 */
export type Lane = "auto" | "full";

const BOTH = process.env.TOLLGATE_LONG === "1";
export const LANES: readonly Lane[] = BOTH
  ? ["auto", "full"]
  : [process.env.TOLLGATE_LANE === "full" ? "full" : "auto"];

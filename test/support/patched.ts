/** Gateways with other constants than they were built with, for what takes too long or too much otherwise. Does not start them. */
import { join } from "node:path";
import type { GatewayOptions } from "./process.ts";

export interface Constant {
  /** Below `src`. */
  readonly file: string;
  /** The line as it stands there; the gateway does not start when it does not. */
  readonly line: string;
  readonly instead: string;
}

const PRELOAD = join(import.meta.dirname, "patching.ts");

/** Options for `startGateway`; `more` are others to go with them. */
export function withConstants(constants: readonly Constant[], more: GatewayOptions = {}): GatewayOptions {
  const patches = constants.map(({ file, line, instead }) => [`/src/${file}`, line, instead]);
  const options = [more.env?.NODE_OPTIONS ?? "", `--import ${PRELOAD}`].join(" ").trim();
  const env = { NODE_OPTIONS: options, TOLLGATE_TEST_PATCHES: JSON.stringify(patches) };
  return { ...more, env: { ...more.env, ...env } };
}

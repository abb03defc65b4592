/** Everybody, in the order of the table. */
import { APP } from "./app.ts";
import type { Contender } from "./contender.ts";
import { OWN } from "./gateway.ts";
import { NATIVE } from "./native.ts";
import { NODE_PEERS } from "./node-peers.ts";

export const CONTENDERS: readonly Contender[] = [APP, ...OWN, ...NATIVE, ...NODE_PEERS];

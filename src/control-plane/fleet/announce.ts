/** How a change reaches the workers: resolves when every worker has it, so that it holds for the next request anywhere. */
import type { Invalidation } from "#shared/messages.ts";

export type Announce = (what: Invalidation) => Promise<void>;

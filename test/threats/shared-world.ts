/** One world for all rows of a test file: started before the first, gone after the last. */
import { afterAll, beforeAll } from "vitest";
import { startWorld, type World } from "./world.ts";
import type { WorldOptions } from "./world-config.ts";

/** Call it once, at the top of a test file; the world is there when the tests run. */
export function sharedWorld(options: WorldOptions = {}): () => World {
  let world: World | null = null;
  beforeAll(async () => {
    world = await startWorld(options);
  });
  afterAll(async () => world?.[Symbol.asyncDispose]());
  return () => {
    if (world === null) throw new Error("The world has not started yet");
    return world;
  };
}

/**
 * Preloaded into a gateway (`NODE_OPTIONS=--import`) to change a constant of its source while it is loaded: tables that are full and
 * timers that are due within a test. `TOLLGATE_TEST_PATCHES` is a JSON list of file ending, text, replacement; a text that is not
 * there is an error, so that no test goes on with a constant that was renamed. See `patched.ts`.
 */
import { registerHooks } from "node:module";

type Patch = readonly [file: string, text: string, replacement: string];

// Written by `patched.ts`.
const patches = JSON.parse(process.env.TOLLGATE_TEST_PATCHES ?? "[]") as readonly Patch[];

// In each thread: workers load their sources themselves, and are started with the same options.
registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    const own = patches.filter(([file]) => url.endsWith(file));
    if (own.length === 0) return loaded;
    const source = own.reduce(
      patched,
      String(loaded.source instanceof Uint8Array ? Buffer.from(loaded.source) : loaded.source),
    );
    return { ...loaded, source };
  },
});

function patched(source: string, [file, text, replacement]: Patch): string {
  if (!source.includes(text)) throw new Error(`Cannot patch ${file}: it has no ${JSON.stringify(text)}`);
  return source.replace(text, replacement);
}

/** Entry of `tollgate`: the composition root, the only place that knows both planes. Main thread. */
import { enableCompileCache } from "node:module";
import { join } from "node:path";

// Before anything else is loaded: type stripping and compiling happen once, not at every start. Beside the installed packages,
// never in the shared temporary folder, where another user of the machine could put code for us to run.
const { directory } = enableCompileCache(join(import.meta.dirname, "..", "node_modules", ".cache", "tollgate"));
// Worker threads use the cache only when the environment names it: without, each one compiles everything again (150 ms).
if (directory !== undefined) process.env.NODE_COMPILE_CACHE ??= directory;

const { runCommandLine } = await import("#cli/program.ts");
const code = await runCommandLine(process.argv.slice(2), new URL("./data-plane/worker.ts", import.meta.url));
// `start` keeps running on its listeners after its command has returned.
if (code !== 0) process.exit(code);

/** Entry of `tollgate`: the composition root, the only place that knows both planes. Main thread. */
import { enableCompileCache } from "node:module";

// Before anything else is loaded: type stripping and compiling happen once, not at every start.
enableCompileCache();

const { runCommandLine } = await import("#cli/program.ts");
const code = await runCommandLine(process.argv.slice(2), new URL("./data-plane/worker.ts", import.meta.url));
// `start` keeps running on its listeners after its command has returned.
if (code !== 0) process.exit(code);

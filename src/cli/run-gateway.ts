/** Runs the gateway until a signal ends it. Main thread. */
import type { Server } from "node:http";
import pino, { type Logger } from "pino";
import { Gateway } from "#control-plane/gateway.ts";
import { Reloader } from "#control-plane/reloader.ts";
import { settingsOf } from "./context.ts";
import { demoKey, demoText } from "./demo.ts";

interface RunOptions {
  readonly config: string;
  readonly demo: boolean;
  readonly logLevel: string;
  /** The workers' program. */
  readonly workerEntry: URL;
}

export async function runGateway({ config, demo: wantsDemo, logLevel, workerEntry }: RunOptions): Promise<void> {
  const settings = await settingsOf({ config });
  // From the first: without a listener the signal ends the process, and it comes when it comes.
  let reloader: Reloader | null = null;
  process.on("SIGHUP", () => void reloader?.reload("SIGHUP"));
  const log = pino({ level: logLevel, base: null }, pino.destination({ fd: 2, sync: true }));
  const gateway = await Gateway.open({ settings, log, logLevel, workerEntry });
  const started = await gateway.start();
  if (started.newAdminToken !== null) showAdminToken(started.newAdminToken);
  reloader = new Reloader(gateway, settings.file, log);
  const facts = { listen: started.listen, admin: started.admin, workers: gateway.fleet.size, pid: process.pid };
  const demo = wantsDemo ? await startDemo(gateway, log) : null;
  const stop = async (signal: NodeJS.Signals) => {
    log.info({ event: "stopping", signal }, "Stopping: finishing what is under way");
    reloader?.close();
    const inTime = await gateway.stop();
    demo?.upstream?.close();
    log.info(
      { event: "stopped", in_time: inTime },
      inTime ? "Stopped" : "Stopped; some requests took too long and were cut off",
    );
    process.exit(0);
  };
  process.once("SIGTERM", (signal) => void stop(signal));
  process.once("SIGINT", (signal) => void stop(signal));
  log.info({ event: "ready", ...facts }, "Ready");
  if (demo !== null) process.stdout.write(demoText(started.listen, settings, demo.key));
}

/** On stdout, not in the log: logs are kept and shipped. */
function showAdminToken(token: string): void {
  process.stdout.write(
    `\nAdmin token, shown only now (for ${"`"}Authorization: Bearer …${"`"} on the admin listener):\n\n  ${token}\n`,
  );
}

interface Demo {
  readonly key: string;
  /** null: something else listens at the demo's target. */
  readonly upstream: Server | null;
}

async function startDemo(gateway: Gateway, log: Logger): Promise<Demo> {
  const key = await demoKey(gateway);
  const target = Object.values(gateway.settings.upstreams)[0]?.targets[0]?.url ?? "";
  const { startDemoUpstream } = await import("./demo-upstream.ts");
  const upstream = await startDemoUpstream(target).catch((error: unknown) => {
    const facts = { event: "demo-upstream-failed", target, err: error };
    log.warn(facts, "The demo upstream cannot listen; requests go to whatever listens there");
    return null;
  });
  return { key, upstream };
}

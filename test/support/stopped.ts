/** Holds a gateway still (SIGSTOP), so that what happens meanwhile reaches it all at once, in one turn of its event loop. Linux. */
import { readdirSync, readFileSync } from "node:fs";
import type { Socket } from "node:net";
import type { Gateway } from "./process.ts";
import { until } from "./until.ts";

/** Does `meanwhile` while every thread of the gateway stands still. */
export async function whileStopped(gateway: Gateway, meanwhile: () => Promise<void>): Promise<void> {
  process.kill(gateway.pid, "SIGSTOP");
  try {
    await until("all threads stand still", () => threadStates(gateway.pid).every((state) => state === "T"));
    await meanwhile();
  } finally {
    process.kill(gateway.pid, "SIGCONT");
  }
}

function threadStates(pid: number): readonly (string | undefined)[] {
  const tasks = `/proc/${pid}/task`;
  // The name before the state may hold anything, brackets too.
  return readdirSync(tasks).map((task) => /^.*\) (\w)/s.exec(readFileSync(`${tasks}/${task}/stat`, "utf8"))?.[1]);
}

/** Bytes that have arrived at the other end of a connection and are not read there: loopback too may be late on a busy machine. IPv4. */
export function unreadBy({ localPort, remotePort }: Socket): number {
  const hex = (port = 0) => port.toString(16).toUpperCase().padStart(4, "0");
  const line = new RegExp(`: \\w{8}:${hex(remotePort)} \\w{8}:${hex(localPort)} \\w\\w \\w{8}:(\\w{8}) `);
  return Number.parseInt(line.exec(readFileSync("/proc/net/tcp", "utf8"))?.[1] ?? "0", 16);
}

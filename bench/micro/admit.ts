/**
 * What admit + settle costs: three rates, two quotas, one charge, on one thread, with everything real but the socket.
 * `node bench/micro/admit.ts [rounds]` prints microseconds for each request, with the journal's write and without. Pin it: `taskset -c 1`.
 */
import { principalOfKey } from "#data-plane/identity/principal.ts";
import { ACCOUNT, BenchSite, cpuMicros } from "./site.ts";

const FILE = `
version: 1
rates:
  second: { limit: 1000000000, per: 1s, by: account }
  minute: { limit: 1000000000, per: 1m, by: key }
  route: { limit: 1000000000, per: 1h, by: [account, route] }
meters: { api_calls: {} }
plans:
  pro:
    default: true
    quotas: { api_calls: [{ limit: 9000000000000, per: day }, { limit: 9000000000000, per: month }] }
upstreams: { app: { targets: ["http://127.0.0.1:9"] } }
routes:
  - { name: all, match: { path: "/**" }, upstream: app, rates: [second, minute, route], meters: { api_calls: 1 } }
`;

/** How many charges go to the journal together, as those of one turn of a busy worker do. */
const BATCH = 16;

export async function measureAdmit(rounds: number, journalled: boolean): Promise<number> {
  using site = new BenchSite(FILE, [], journalled);
  const { admitter, record, runtime, settler } = site;
  const found = runtime.routes.find("localhost", "GET", ["x"]);
  if (found.kind !== "route") throw new Error("The route takes every path");
  const applicant = {
    runtime,
    route: found.route,
    principal: principalOfKey(record, ACCOUNT, runtime.settings),
    clientAddress: "127.0.0.1",
    requestId: "req_0123456789abcdefghij",
    rawHeaders: [],
  };
  return await cpuMicros(rounds, (wanted) => {
    for (let round = 0; round < wanted; round++) {
      const admission = admitter.admit(applicant);
      if ("code" in admission || admission.reservation === null) throw new Error(JSON.stringify(admission));
      settler.stage(admission.reservation, 200, []);
      if (round % BATCH === BATCH - 1) settler.flush();
      if (admission.reservation.lost) throw new Error("Not settled");
    }
    settler.flush();
  });
}

if (process.argv[1] === import.meta.filename) {
  const rounds = Number(process.argv[2] ?? 1_000_000);
  for (const journalled of [false, true]) {
    const micros = (await measureAdmit(rounds, journalled)).toFixed(2);
    process.stdout.write(`admit + settle, ${journalled ? "journal written" : "without the journal"}: ${micros} µs\n`);
  }
}

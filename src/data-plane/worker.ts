/**
 * Entry of a worker thread: builds the data plane from what the main thread gave it, listens, and follows its messages.
 * The composition root of the plane; decides nothing about requests.
 */
import { once } from "node:events";
import type { ListenOptions, Server } from "node:net";
import { parentPort, workerData } from "node:worker_threads";
import pino from "pino";
import type { LimitSettings, ServerSettings } from "#config/settings.ts";
import type { Refusal } from "#core/errors.ts";
import { CounterTable } from "#shared/counter-table.ts";
import { InFlight } from "#shared/in-flight-table.ts";
import type { FromWorker, Invalidation, ToWorker, WorkerStart } from "#shared/messages.ts";
import { WorkerMetrics } from "#shared/metrics-table.ts";
import { RateTable } from "#shared/rate-table.ts";
import { SlotTable } from "#shared/slot-table.ts";
import { Doors } from "./doors.ts";
import { Gate } from "./gate.ts";
import { ControlLink } from "#data-plane/identity/control-link.ts";
import { Directory } from "#data-plane/identity/directory.ts";
import { Identifier } from "#data-plane/identity/identify.ts";
import { TELL_MS, Sightings } from "#data-plane/identity/sightings.ts";
import { TokenVerifier } from "#data-plane/identity/token-verifier.ts";
import { JournalWriter } from "#data-plane/metering/journal-writer.ts";
import { Settler } from "#data-plane/metering/settler.ts";
import { Ownership } from "#data-plane/ownership/ownership.ts";
import { Registry } from "#data-plane/ownership/registry.ts";
import { Admitter } from "#data-plane/policy/admit.ts";
import { LimitBook } from "#data-plane/policy/caller-limits.ts";
import { CreditBurner } from "#shared/credit-burner.ts";
import { type Concerned, RefusalLog } from "./refusal-log.ts";
import { buildRuntime } from "./runtime.ts";
import { clientsMax, openFilesMax } from "./open-files.ts";
import { Saturation } from "./saturation.ts";
import { TlsFront } from "./tls-front.ts";
import { TraceIds } from "./trace-ids.ts";
import { controlPool, Pools } from "#data-plane/upstream/pool.ts";
import { FastLane, type SweepListener } from "#data-plane/wire/fast/fast-lane.ts";
import type { LaneParts } from "#data-plane/wire/lane-parts.ts";
import { ClientRoom } from "#data-plane/wire/client-room.ts";
import { LastingOnes } from "#data-plane/wire/lasting.ts";
import { Turn } from "#data-plane/wire/turn.ts";
import { FullLane } from "#data-plane/wire/full/full-lane.ts";

const BACKLOG = 4096;

function main(start: WorkerStart, post: (message: FromWorker) => void): (message: ToWorker) => void {
  const { settings } = start.snapshot;
  const log = pino({ level: start.logLevel, base: { worker: start.index } }, pino.destination({ fd: 2, sync: false }));
  const refusals = new RefusalLog(log);
  const metrics = new WorkerMetrics(start.metrics, start.index);
  const link = new ControlLink(post);
  const directory = new Directory(link, start.pepper);
  const verifier = new TokenVerifier(settings.identity.issuers, start.keySets, async (issuer) => {
    await link.ask({ kind: "refresh-keys", issuer });
  });
  const counters = new CounterTable(start.counters, start.owner);
  const place = { dir: start.journalDir, run: start.runId, writer: start.owner };
  const journal = new JournalWriter(place, settings.metering.durability, metrics, (error) => refusals.journal(error));
  const inFlight = new InFlight(start.inFlight, start.index);
  const rates = new RateTable(start.rates, start.owner);
  const tables = { counters, rates, slots: new SlotTable(start.slots, start.owner) };
  const burner = new CreditBurner(counters, tables.slots, inFlight);
  const settler = new Settler(journal, counters, inFlight, burner);
  const onShadow = (refusal: Refusal, of: Concerned) => {
    metrics.count("shadow_refusals");
    refusals.shadow(refusal, of);
  };
  const admitter = new Admitter({ tables, book: new LimitBook(tables), burner, inFlight, onShadow });
  const meterFault = (meter: string, fault: string, of: Concerned) => {
    metrics.count("meter_faults");
    refusals.meter(meter, fault, of);
  };
  const pools = new Pools();
  const control = controlPool(start.controlSocket);
  const traces = new TraceIds();
  const sightings = new Sightings((seen) => post({ type: "seen", seen }));
  setInterval(() => sightings.flush(), TELL_MS).unref();
  const registry = new Registry(link);
  const ownership = new Ownership(registry, (kind, reason, of) => {
    metrics.count("resource_faults");
    refusals.unlearned(kind, reason, of);
  });
  const gate = new Gate(
    { identifier: new Identifier(directory, verifier), sightings, admitter, settler, ownership },
    buildRuntime(start.snapshot, pools, control, traces),
  );
  const filesMax = openFilesMax();
  const room = new ClientRoom(clientsMax(settings, filesMax), metrics, refusals);
  const lasting = new LastingOnes(gate);
  const parts = { gate, settler, meterFault, metrics, refusals, room, saturation: new Saturation(), lasting };
  const lane = laneOf(settings.server, parts, (nowMs) => {
    pools.sweep(nowMs);
    control.sweep(nowMs);
  });

  const {
    listen: { host },
    tls,
  } = settings.server;
  const front =
    tls === null ? null : new TlsFront({ tls, ticketKeys: start.ticketKeys, room, lane: lane.server }, settings.server);
  const server = front?.server ?? lane.server;
  const doors = start.reusePort
    ? new Doors(server, {
        allowHalfOpen: front === null,
        noDelay: true,
        pauseOnConnect: settings.server.lane !== "full",
      })
    : null;
  listen(server, doors, { host, port: start.port, backlog: BACKLOG, reusePort: start.reusePort }).then(
    (port) => post({ type: "listening", port }),
    (error: unknown) => post({ type: "listen-failed", reason: error instanceof Error ? error.message : String(error) }),
  );

  return (message) => {
    switch (message.type) {
      case "snapshot":
        gate.use(buildRuntime(message.snapshot, pools, control, traces));
        verifier.replaceIssuers(message.snapshot.settings.identity.issuers);
        lane.useLimits(message.snapshot.settings.server.limits);
        front?.use(message.snapshot.settings.server.tls, message.snapshot.settings.server.limits);
        room.resize(clientsMax(message.snapshot.settings, filesMax));
        journal.setDurability(message.snapshot.settings.metering.durability);
        post({ type: "done", seq: message.seq });
        break;
      case "key-set":
        verifier.replaceKeySet(message.issuer, message.keys);
        post({ type: "done", seq: message.seq });
        break;
      case "invalidate":
        // Who revokes the sessions of a user, or of many, has to know of all.
        if (message.what.kind === "user" || isOfUsers(message.what)) sightings.flush();
        if (message.what.kind === "resource" || message.what.kind === "resources") registry.invalidate(message.what);
        else {
          directory.invalidate(message.what);
          lasting.invalidate(message.what);
        }
        post({ type: "done", seq: message.seq });
        break;
      case "drain":
        void Promise.all([doors?.close(), front?.close(), lane.drain()]).then(() => {
          sightings.flush();
          post({ type: "done", seq: message.seq });
        });
        break;
      case "answer":
        link.answered(message.id, message.answer);
        break;
      case "answer-failed":
        link.failed(message.id);
        break;
    }
  };
}

function isOfUsers(what: Invalidation): boolean {
  return what.kind === "batch" && what.users !== undefined;
}

/** Resolves with the port. */
async function listen(server: Server, doors: Doors | null, options: ListenOptions): Promise<number> {
  // Heard below until it listens; a connection that cannot be accepted later may not end the thread.
  server.on("error", () => undefined).listen(options);
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  await doors?.listen({ ...options, port });
  return port;
}

/** A lane as the worker has it: what listens, and what follows reloads and stops. */
interface Lane {
  readonly server: Server;
  useLimits(limits: LimitSettings): void;
  /** Resolves when all connections are closed. */
  drain(): Promise<void>;
}

function laneOf({ lane, limits }: ServerSettings, parts: LaneParts, onSweep: SweepListener): Lane {
  const full = new FullLane(parts, limits);
  if (lane === "full") return full;
  const turn = new Turn(() => parts.settler.flush());
  const fast = new FastLane({ ...parts, turn }, full, limits, onSweep);
  return {
    server: fast.server,
    useLimits: (changed) => {
      fast.useLimits(changed);
      full.useLimits(changed);
    },
    drain: async () => {
      full.drainConnections();
      await fast.drain();
    },
  };
}

const port = parentPort;
if (port === null) throw new Error("worker.ts runs only as a worker thread");
// The main thread of the same program made it, as a WorkerStart.
const handle = main(workerData as WorkerStart, (message) => port.postMessage(message));
port.on("message", (message: ToWorker) => handle(message));

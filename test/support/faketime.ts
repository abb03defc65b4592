/**
 * A gateway whose wall clock a test moves while it runs (libfaketime); the monotonic clock goes on as it is, as on a machine whose
 * clock is set. Needs the `faketime` package; ask `needs("faketime")` first. Does not touch this process's clock.
 */
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { GatewayOptions } from "./process.ts";

export interface FakeClock extends Disposable {
  /** For gateways that are to have this clock. */
  readonly options: GatewayOptions;
  /** What the gateway's clock shows now; milliseconds since 1970. */
  nowMs(): number;
  /** Sets it, less than a second later than said; what the gateway reads next is of the new time. */
  setMs(ms: number): void;
}

/** Debian's places for the library. */
const PLACES = ["x86_64-linux-gnu", "aarch64-linux-gnu"].map((arch) => `/usr/lib/${arch}/faketime/libfaketimeMT.so.1`);

/** The library, or null where there is none. */
export function fakeTimeLibrary(): string | null {
  return PLACES.find((place) => existsSync(place)) ?? null;
}

/** A clock that is right until it is set. */
export function fakeClock(): FakeClock {
  const library = fakeTimeLibrary();
  if (library === null) throw new Error("The machine has no libfaketime");
  const dir = mkdtempSync(join(tmpdir(), "tollgate-clock-"));
  const file = join(dir, "clock");
  let offsetS = 0;
  const write = () => {
    const next = `${file}.next`;
    writeFileSync(next, `${offsetS < 0 ? "" : "+"}${offsetS}\n`);
    // Never read half written.
    renameSync(next, file);
  };
  write();
  return {
    options: {
      env: {
        LD_PRELOAD: library,
        FAKETIME_TIMESTAMP_FILE: file,
        FAKETIME_NO_CACHE: "1",
        FAKETIME_DONT_FAKE_MONOTONIC: "1",
        NO_FAKE_STAT: "1",
      },
    },
    nowMs: () => Date.now() + offsetS * 1000,
    setMs(ms) {
      offsetS = Math.ceil((ms - Date.now()) / 1000);
      write();
    },
    [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }),
  };
}

/**
 * A full disk: nothing is served unmetered, and service comes back by itself. The disk is made full by the limit of the
 * process on the size of its files (RLIMIT_FSIZE, set and lifted with `prlimit` while it runs): writes beyond it fail as on
 * a full disk, after a part of the bytes went in, and it needs no mount and no root. Node ignores the signal that comes along.
 */
import { execFileSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { needs } from "#test/support/needs.ts";
import type { Gateway } from "#test/support/process.ts";
import { journaledIds, longestSegment } from "./journal.ts";
import type { Load } from "./load.ts";
import { Site } from "./site.ts";

const CONNECTIONS = 8;

/** Bytes a file of the process may have; `unlimited` lifts the limit. */
function limitFiles(gateway: Gateway, bytes: number | "unlimited"): void {
  // The soft limit only: a hard one could not be lifted again.
  execFileSync("prlimit", ["--pid", String(gateway.pid), `--fsize=${bytes}:`]);
}

/** Looks every 2 ms; the test's own timeout is the limit. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(2);
}

function refusals(load: Load): ReadonlySet<number> {
  return new Set(load.refused.values());
}

test.skipIf(!needs("prlimit"))(
  "with a full disk every charge is refused with 503, nothing is served unmetered, and it ends by itself",
  async () => {
    await using site = await Site.open();
    await using gateway = await site.start();
    const load = await site.load(gateway, "full", () => "/fast", CONNECTIONS);
    await until(() => load.complete.size > 100);
    // The limit cuts the record that crosses it: the longer segment ends in a torn one, the other a little later.
    limitFiles(gateway, longestSegment(site.dir) + 100);
    await until(() => load.refused.size > 0);
    // No room even for the head of a new segment: from here on nothing can be written.
    limitFiles(gateway, 4);
    await until(() => load.refused.size > 2_000);
    expect(refusals(load)).toEqual(new Set([503]));
    const served = load.complete.size;
    const forwarded = site.upstream.count;
    await until(() => load.refused.size > 4_000);
    expect({ served: load.complete.size, forwarded: site.upstream.count }).toEqual({ served, forwarded });

    const answer = await fetch(`${gateway.url}/fast`, { headers: { authorization: `Bearer ${site.key}` } });
    expect(answer.status).toBe(503);
    expect(answer.headers.get("retry-after")).toBe("1");
    expect(await answer.json()).toMatchObject({ error: "metering_unavailable", status: 503, rule: "metering:journal" });

    limitFiles(gateway, "unlimited");
    await until(() => load.complete.size > served + 100);
    await load.stop();
    expect(refusals(load)).toEqual(new Set([503]));
    const metered = new Set(journaledIds(site.dir));
    // Each worker found out with the requests it had under way (one more came by fetch): forwarded, not metered, refused.
    const unmetered = site.upstream.count - metered.size;
    expect(unmetered).toBeGreaterThan(0);
    expect(unmetered).toBeLessThanOrEqual(CONNECTIONS + 1);
    expect(metered).toEqual(load.delivered);
    const reading = { ledger: metered.size, counter: metered.size };
    expect(await site.read(gateway)).toEqual(reading);

    await gateway.kill();
    await using again = await site.start();
    expect(await site.read(again)).toEqual(reading);
  },
  60_000,
);

test.skipIf(!needs("prlimit"))(
  "charges refused by a full disk take nothing from a quota",
  async () => {
    const quota = 150;
    await using site = await Site.open({ quota });
    await using gateway = await site.start();
    limitFiles(gateway, longestSegment(site.dir) + 2_000);
    const load = await site.load(gateway, "quota", () => "/fast", CONNECTIONS);
    await until(() => load.refused.size > 0);
    limitFiles(gateway, 4);
    await until(() => load.refused.size > 1_000);
    expect(refusals(load)).toEqual(new Set([503]));
    limitFiles(gateway, "unlimited");
    await until(() => refusals(load).has(429));
    await load.stop();
    expect(load.delivered.size).toBe(quota);
    expect(new Set(journaledIds(site.dir))).toEqual(load.delivered);
    expect(await site.read(gateway)).toEqual({ ledger: quota, counter: quota });
  },
  60_000,
);

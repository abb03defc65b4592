/**
 * Before every test file: properties draw the same cases in every run, so that a run that passed passes again; `TOLLGATE_SEED=n` draws
 * others. Instants of kills and failing disks (random.ts) stay different in every run: no seed could repeat them to the microsecond.
 */
import fc from "fast-check";
import { repeatableSeed } from "#test/support/random.ts";

fc.configureGlobal({ seed: repeatableSeed });

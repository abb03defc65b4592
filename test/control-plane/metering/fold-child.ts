/** A process that folds the journal of a data folder until it is killed; says on stdout when it is about to. See `fold-kill.test.ts`. */
import { writeSync } from "node:fs";
import { JournalSite } from "./journal-site.ts";

const site = await JournalSite.open(process.argv[2] ?? "");
writeSync(1, "folding\n");
await site.ledger({ run: "child" }).fold();
writeSync(1, "folded\n");

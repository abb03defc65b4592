/**
 * Moves the billing anchor of an account while charges are on their way: store → new epoch and seeded counters → workers → fold.
 * Main thread. `counting.ts` says why nothing is lost or counted twice.
 */
import { wallMs } from "#core/clock.ts";
import type { AnchorMoves } from "#control-plane/accounts/accounts.ts";
import { ConflictError } from "#control-plane/accounts/conflict.ts";
import type { Database } from "#control-plane/store/database.ts";
import type { Ledger } from "./ledger.ts";

type Note = (trx: Database) => Promise<void>;

export class Anchors implements AnchorMoves {
  readonly #db: Database;
  readonly #ledger: Ledger;

  constructor(db: Database, ledger: Ledger) {
    this.#db = db;
    this.#ledger = ledger;
  }

  move(account: string, anchorMs: number, announce: () => Promise<void>, note: Note): Promise<void> {
    const { counting, seeder } = this.#ledger;
    return counting.serial(async () => {
      if (!counting.canMove(account))
        throw new ConflictError("The account's anchor was moved too often; restart the gateway");
      await this.#ledger.fold();
      await this.#store(account, anchorMs, note);
      await seeder.moveAnchor(account);
      await announce();
      await this.#ledger.foldSoon();
    });
  }

  /** Sums by the old anchor go; those by the new one are computed when they are asked for. */
  async #store(account: string, anchorMs: number, note: Note): Promise<void> {
    const shapes = [...this.#ledger.counting.shapes()].filter(({ window }) => window.kind === "billing-period");
    const keys = shapes.map(({ key }) => key);
    await this.#db.transaction().execute(async (trx) => {
      const anchor_since_ms = this.#ledger.windows.untouchedFrom(wallMs());
      await trx
        .updateTable("accounts")
        .set({ billing_anchor_ms: anchorMs, anchor_since_ms })
        .where("id", "=", account)
        .execute();
      await note(trx);
      const rows = trx.deleteFrom("usage_windows").where("account", "=", account);
      if (keys.length > 0) await rows.where("shape", "in", keys).execute();
    });
  }
}

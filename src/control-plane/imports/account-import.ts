/** Accounts out of a CSV file. Main thread; within the transaction of `import-run.ts`. */
import type { Statement } from "better-sqlite3";
import { wallMs } from "#core/clock.ts";
import { newId } from "#core/ids.ts";
import type { Settings } from "#config/settings.ts";
import { type Account, type AccountRow, toAccount } from "#control-plane/accounts/account.ts";
import { AccountWriter } from "#control-plane/accounts/account-change.ts";
import { isReserved } from "#control-plane/accounts/accounts.ts";
import { connectionOf, type Database } from "#control-plane/store/database.ts";
import { CellFaults } from "./cells.ts";
import type { CsvColumns, CsvFault, CsvRow } from "./csv-table.ts";
import type { Imported, OnConflict, RowWriter } from "./import-run.ts";

export const ACCOUNT_COLUMNS: CsvColumns = { required: ["external_id"], optional: ["name", "email", "plan", "state"] };

const STATES = ["active", "suspended"] as const;

export class AccountImport implements RowWriter {
  readonly #settings: Settings;
  readonly #onConflict: OnConflict;
  readonly #find: Statement<[string], AccountRow>;
  readonly #insert: Statement<unknown[]>;
  readonly #writer: AccountWriter;
  readonly #seen = new Map<string, number>();

  constructor(db: Database, settings: Settings, onConflict: OnConflict) {
    this.#settings = settings;
    this.#onConflict = onConflict;
    const connection = connectionOf(db);
    this.#find = connection.prepare<[string], AccountRow>("SELECT * FROM accounts WHERE external_id = ?");
    this.#insert = connection.prepare(
      `INSERT INTO accounts (id, external_id, name, state, plan, created_at, email)
        VALUES (@id, @externalId, @name, @state, @plan, @createdMs, @email)`,
    );
    this.#writer = new AccountWriter(db);
  }

  check(row: CsvRow): readonly CsvFault[] {
    const faults = new CellFaults(row);
    const id = faults.id("external_id", isReserved, this.#seen);
    faults.name();
    faults.email();
    faults.word("plan", Object.keys(this.#settings.plans));
    faults.word("state", STATES);
    const known = id === null ? null : this.#known(id);
    if (known !== null) faults.conflict("external_id", known.state === "deleted", this.#onConflict);
    return faults.all;
  }

  write(row: CsvRow): Imported {
    const externalId = row.cell("external_id") ?? "";
    const known = this.#known(externalId);
    if (known === null) return this.#create(row, externalId);
    const changed = this.#onConflict === "update" ? this.#writer.apply(known, changeOf(row)) : null;
    return changed === null
      ? { kind: "unchanged", deeds: [], changed: null }
      : { kind: "updated", deeds: [changed.deed], changed: known.id };
  }

  #known(externalId: string): Account | null {
    const row = this.#find.get(externalId);
    return row === undefined ? null : toAccount(row);
  }

  #create(row: CsvRow, externalId: string): Imported {
    const { name = externalId, email = null, plan = null, state = "active" } = changeOf(row);
    const id = newId("acct");
    this.#insert.run({ id, externalId, name, state, plan, email, createdMs: wallMs() });
    const after = {
      name,
      externalId,
      plan,
      ...(email === null ? {} : { email }),
      ...(state === "active" ? {} : { state }),
    };
    const deed = { action: "account.created", target: id, account: id, before: null, after };
    return { kind: "created", deeds: [deed], changed: id };
  }
}

/** What a row says; empty cells say nothing. */
function changeOf({ cell }: CsvRow) {
  const [name, email, plan] = [cell("name"), cell("email"), cell("plan")];
  const state = STATES.find((known) => known === cell("state"));
  return {
    ...(name === null ? {} : { name }),
    ...(email === null ? {} : { email }),
    ...(plan === null ? {} : { plan }),
    ...(state === undefined ? {} : { state }),
  };
}

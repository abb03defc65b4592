/** Users out of a CSV file, with the account each is a member of. Main thread; within the transaction of `import-run.ts`. */
import type { Statement } from "better-sqlite3";
import type { Selectable } from "kysely";
import { wallMs } from "#core/clock.ts";
import { newId } from "#core/ids.ts";
import type { Settings } from "#config/settings.ts";
import type { Deed } from "#control-plane/audit/audit-log.ts";
import { connectionOf, type Database } from "#control-plane/store/database.ts";
import type { UsersTable } from "#control-plane/store/identity-tables.ts";
import { isReservedUser, toUser, type User } from "#control-plane/users/user.ts";
import { CellFaults } from "./cells.ts";
import type { CsvColumns, CsvFault, CsvRow } from "./csv-table.ts";
import type { Imported, OnConflict, RowWriter } from "./import-run.ts";

export const USER_COLUMNS: CsvColumns = { required: ["external_id"], optional: ["email", "name", "account", "roles"] };

interface MemberRow {
  readonly roles: string;
  readonly removed_ms: number | null;
}

const SQL = {
  user: "SELECT * FROM users WHERE external_id = ?",
  holder: "SELECT external_id FROM users WHERE email = ?",
  account: "SELECT id FROM accounts WHERE (id = @id OR external_id = @id) AND deleted_ms IS NULL",
  insert: `INSERT INTO users (id, external_id, email, name, state, created_ms)
    VALUES (@id, @externalId, @email, @name, 'active', @nowMs)`,
  update: "UPDATE users SET email = @email, name = @name WHERE id = @id",
  member: "SELECT roles, removed_ms FROM members WHERE account = ? AND user = ?",
  join: `INSERT INTO members (account, user, roles, created_ms) VALUES (@account, @user, @roles, @nowMs)
    ON CONFLICT (account, user) DO UPDATE SET roles = excluded.roles, removed_ms = NULL`,
} as const;

export class UserImport implements RowWriter {
  readonly #settings: Settings;
  readonly #onConflict: OnConflict;
  readonly #user: Statement<[string], Selectable<UsersTable>>;
  readonly #holder: Statement<[string], { readonly external_id: string }>;
  readonly #account: Statement<[{ readonly id: string }], { readonly id: string }>;
  readonly #member: Statement<[string, string], MemberRow>;
  readonly #insert: Statement<unknown[]>;
  readonly #update: Statement<unknown[]>;
  readonly #join: Statement<unknown[]>;
  readonly #ids = new Map<string, number>();
  readonly #emails = new Map<string, number>();

  constructor(db: Database, settings: Settings, onConflict: OnConflict) {
    this.#settings = settings;
    this.#onConflict = onConflict;
    const connection = connectionOf(db);
    this.#user = connection.prepare<[string], Selectable<UsersTable>>(SQL.user);
    this.#holder = connection.prepare<[string], { readonly external_id: string }>(SQL.holder);
    this.#account = connection.prepare<[{ readonly id: string }], { readonly id: string }>(SQL.account);
    this.#member = connection.prepare<[string, string], MemberRow>(SQL.member);
    this.#insert = connection.prepare(SQL.insert);
    this.#update = connection.prepare(SQL.update);
    this.#join = connection.prepare(SQL.join);
  }

  check(row: CsvRow): readonly CsvFault[] {
    const faults = new CellFaults(row);
    const id = faults.id("external_id", isReservedUser, this.#ids);
    faults.name();
    faults.email();
    const email = row.cell("email")?.toLowerCase() ?? null;
    if (email !== null) {
      faults.once("email", email, this.#emails);
      const holder = this.#holder.get(email);
      if (holder !== undefined && holder.external_id !== id) faults.add("email", "Another user has it");
    }
    this.#checkMember(row, faults);
    const known = id === null ? undefined : this.#user.get(id);
    if (known !== undefined) faults.conflict("external_id", known.state === "deleted", this.#onConflict);
    return faults.all;
  }

  #checkMember(row: CsvRow, faults: CellFaults): void {
    const account = row.cell("account");
    const roles = rolesOf(row);
    if (account === null && roles !== null) faults.add("roles", "Roles need an account");
    if (account !== null && this.#account.get({ id: account }) === undefined) faults.add("account", "No such account");
    const unknown = roles?.find((role) => !Object.hasOwn(this.#settings.roles, role));
    if (unknown !== undefined) faults.add("roles", `Role ${unknown} is not in the configuration`);
  }

  write(row: CsvRow): Imported {
    const externalId = row.cell("external_id") ?? "";
    const found = this.#user.get(externalId);
    if (found === undefined) {
      const { id, deed } = this.#create(row, externalId);
      return { kind: "created", deeds: [deed, ...this.#joined(row, id)], changed: externalId };
    }
    const user = toUser(found);
    const deeds = this.#onConflict === "update" ? [...this.#changed(row, user), ...this.#joined(row, user.id)] : [];
    return { kind: deeds.length === 0 ? "unchanged" : "updated", deeds, changed: externalId };
  }

  #create(row: CsvRow, externalId: string): { readonly id: string; readonly deed: Deed } {
    const id = newId("user");
    const facts = { externalId, email: row.cell("email")?.toLowerCase() ?? null, name: row.cell("name") };
    this.#insert.run({ id, ...facts, nowMs: wallMs() });
    return { id, deed: { action: "user.created", target: id, account: null, before: null, after: facts } };
  }

  #changed(row: CsvRow, user: User): readonly Deed[] {
    const before = { email: user.email, name: user.name };
    const after = { email: row.cell("email")?.toLowerCase() ?? user.email, name: row.cell("name") ?? user.name };
    if (after.email === before.email && after.name === before.name) return [];
    this.#update.run({ id: user.id, ...after });
    return [{ action: "user.updated", target: user.id, account: null, before, after }];
  }

  #joined(row: CsvRow, user: string): readonly Deed[] {
    const named = row.cell("account");
    const account = named === null ? undefined : this.#account.get({ id: named })?.id;
    if (account === undefined) return [];
    const member = this.#member.get(account, user);
    const isMember = member !== undefined && member.removed_ms === null;
    const wanted = rolesOf(row);
    const roles = JSON.stringify(wanted ?? []);
    if (isMember && (wanted === null || member.roles === roles)) return [];
    this.#join.run({ account, user, roles, nowMs: wallMs() });
    const action = isMember ? "member.changed" : "member.added";
    const before = isMember ? { roles: JSON.parse(member.roles) } : null;
    return [{ action, target: user, account, before, after: { user, roles: wanted ?? [] } }];
  }
}

/** null: the row names none. */
export function rolesOf({ cell }: CsvRow): readonly string[] | null {
  return cell("roles")?.split(/\s+/) ?? null;
}

/** `/admin/accounts/import` and `/admin/users/import`: many at once out of a CSV file, all or none. Main thread. */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance, FastifyRequest } from "fastify";
import Type from "typebox";
import { refuse } from "#core/errors.ts";
import { ACCOUNT_COLUMNS, AccountImport } from "#control-plane/imports/account-import.ts";
import { type CsvColumns, type CsvFault, type CsvTable, readCsv } from "#control-plane/imports/csv-table.ts";
import { type ImportOutcome, type RowWriter, runImport } from "#control-plane/imports/import-run.ts";
import { rolesOf, USER_COLUMNS, UserImport } from "#control-plane/imports/user-import.ts";
import { checkHandOut } from "./hand-out.ts";
import { operation } from "./operation.ts";
import { reject, rejectWith } from "./problems.ts";
import { strict } from "./schemas.ts";
import type { Services } from "./services.ts";

const CSV_BYTES_MAX = 10 * 1024 * 1024;
/** Faults an answer lists. */
const FAULTS_MAX = 1000;

const Query = Type.Object(
  {
    onConflict: Type.Enum(["error", "skip", "update"], { default: "error" }),
    dryRun: Type.Boolean({ default: false }),
  },
  strict,
);

const Answer = Type.Object({
  dryRun: Type.Boolean(),
  rows: Type.Integer(),
  created: Type.Integer(),
  updated: Type.Integer(),
  unchanged: Type.Integer(),
});

const bodies = { "text/csv": Type.String() };
const importAccounts = operation(
  {
    id: "importAccounts",
    summary: "Make or change accounts by a CSV file",
    tag: "Accounts",
    errors: ["body_too_large"],
  },
  { querystring: Query, bodies },
  { 200: Answer },
);
const importUsers = operation(
  {
    id: "importUsers",
    summary: "Make or change users and their memberships by a CSV file",
    tag: "Users",
    errors: ["body_too_large", "permission_denied"],
  },
  { querystring: Query, bodies },
  { 200: Answer },
);

export function registerImports(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  const { settings } = services;
  const { db } = services.usage;
  const options = { bodyLimit: CSV_BYTES_MAX };
  app.post("/admin/accounts/import", { ...importAccounts, ...options }, async (request) => {
    const writer = new AccountImport(db, settings(), request.query.onConflict);
    return imported(services, "accounts", await tableOf(request, ACCOUNT_COLUMNS), writer, request.query.dryRun);
  });
  app.post("/admin/users/import", { ...importUsers, ...options }, async (request) => {
    const table = await tableOf(request, USER_COLUMNS);
    await checkHandOut(request, services, [...new Set(table.rows.flatMap((row) => rolesOf(row) ?? []))]);
    const writer = new UserImport(db, settings(), request.query.onConflict);
    return imported(services, "users", table, writer, request.query.dryRun);
  });
}

async function tableOf({ body }: Pick<FastifyRequest, "body">, columns: CsvColumns): Promise<CsvTable> {
  if (!Buffer.isBuffer(body)) reject("malformed_request", "body:type", "Expected a body of the type text/csv");
  return readCsv(body, columns);
}

async function imported(
  services: Services,
  what: "accounts" | "users",
  table: CsvTable,
  writer: RowWriter,
  dryRun: boolean,
): Promise<Record<string, unknown>> {
  const outcome = await runImport(services.imports, what, table, writer, dryRun);
  if (isOutcome(outcome)) return { dryRun, ...outcome };
  const [first] = outcome;
  const detail = `Nothing was imported: ${outcome.length} faults, the first in row ${first?.row}: ${first?.reason}`;
  const fields = { path: `row ${first?.row}`, faults: outcome.slice(0, FAULTS_MAX), fault_count: outcome.length };
  return rejectWith({ ...refuse("malformed_request", "csv:rows", detail), fields });
}

function isOutcome(outcome: ImportOutcome | readonly CsvFault[]): outcome is ImportOutcome {
  return !Array.isArray(outcome);
}

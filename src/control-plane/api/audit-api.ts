/** `GET /admin/audit`: who changed what; `GET /admin/audit/verify`: whether that is still what was written. Main thread. */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import Type from "typebox";
import { rfc3339 } from "#core/clock.ts";
import type { AuditRow } from "#control-plane/audit/audit-chain.ts";
import { operation } from "./operation.ts";
import { reject } from "./problems.ts";
import { AuditPage, nullable, pageOf, Time } from "./schemas.ts";
import type { Services } from "./services.ts";
import { timeOf } from "./times.ts";

const Facts = Type.Record(Type.String(), Type.Unknown());

const AuditEntry = Type.Object(
  {
    seq: Type.Integer(),
    id: Type.String(),
    time: Time,
    actor: Type.Object({ kind: Type.String(), id: nullable(Type.String()), account: nullable(Type.String()) }),
    action: Type.String(),
    target: Type.String(),
    account: nullable(Type.String()),
    before: nullable(Facts),
    after: nullable(Facts),
    ip: nullable(Type.String()),
    requestId: nullable(Type.String()),
    hash: Type.String(),
  },
  { title: "AuditEntry" },
);

const Verified = Type.Object({
  entries: Type.Integer(),
  head: nullable(Type.String()),
  faults: Type.Array(Type.Object({ seq: Type.Integer(), fault: Type.Enum(["changed", "missing"]) })),
});

const listAudit = operation(
  { id: "listAuditEntries", summary: "List who changed what, the newest first", tag: "Audit log" },
  { querystring: AuditPage },
  { 200: pageOf(AuditEntry, Type.Integer()) },
);
const verifyAudit = operation(
  { id: "verifyAuditLog", summary: "Check that the audit log is as it was written", tag: "Audit log" },
  {},
  { 200: Verified },
);

export function registerAudit(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  app.get("/admin/audit", listAudit, async (request) => {
    const { limit, cursor, account: id, from, to, ...filter } = request.query;
    const account = id === undefined ? null : await services.accounts.find(id);
    if (id !== undefined && account === null) reject("not_found", "account:id", `No account ${id}`);
    const range = { fromMs: msOf(from, "from"), toMs: msOf(to, "to"), beforeSeq: cursor };
    const rows = await services.audit.list({ ...filter, ...range, account: account?.id }, limit + 1);
    const shown = rows.slice(0, limit);
    return { data: shown.map(entryView), nextCursor: rows.length > limit ? (shown.at(-1)?.seq ?? null) : null };
  });
  app.get("/admin/audit/verify", verifyAudit, async () => services.audit.verify());
}

function msOf(text: string | undefined, name: string): number | undefined {
  return text === undefined ? undefined : timeOf(text, `query:${name}`, `querystring/${name}`);
}

function entryView(row: AuditRow): Record<string, unknown> {
  return {
    seq: row.seq,
    id: row.id,
    time: rfc3339(row.at_ms),
    actor: { kind: row.actor_kind, id: row.actor, account: row.actor_account },
    action: row.action,
    target: row.target,
    account: row.account,
    before: row.before === null ? null : JSON.parse(row.before),
    after: row.after === null ? null : JSON.parse(row.after),
    ip: row.ip,
    requestId: row.request_id,
    hash: row.hash,
  };
}

/** `tollgate audit list|verify` */
import type { Command } from "commander";
import { withAdmin } from "./admin-client.ts";
import { CommandFault, type CommonOptions, print, table, withCommonOptions } from "./context.ts";

type Json = Readonly<Record<string, unknown>>;

const FILTERS = ["account", "action", "actor", "target", "from", "to", "limit"] as const;

type ListOptions = CommonOptions & Partial<Record<(typeof FILTERS)[number], string>>;

interface VerifyOptions extends CommonOptions {
  readonly head?: string;
}

export function addAudit(program: Command): void {
  const audit = program.command("audit").description("Who changed what: the audit log");
  withCommonOptions(audit.command("list").description("Entries, the newest first"))
    .option("--account <account>", "only of this account")
    .option("--action <action>", "only this action, key.revoked for example")
    .option("--actor <id>", "only by this key, user or kind of actor")
    .option("--target <id>", "only of this target")
    .option("--from <time>", "from this RFC 3339 time on")
    .option("--to <time>", "up to this time")
    .option("--limit <n>", "so many at most; left out, 100")
    .action(list);
  withCommonOptions(
    audit
      .command("verify")
      .description("Walk the whole chain of entries; prints every one that was changed or is missing"),
  )
    .option("--head <seq:hash>", "an earlier head: that entry must still be there, as it was")
    .action(verify);
}

async function list(options: ListOptions): Promise<void> {
  const given = Object.entries(options).filter(
    (entry): entry is [string, string] => FILTERS.some((name) => name === entry[0]) && typeof entry[1] === "string",
  );
  const answer = await withAdmin(options, (admin) => admin.call("GET", `/admin/audit?${new URLSearchParams(given)}`));
  // The admin API's lists hold objects in `data`.
  const rows = (answer.data as readonly Json[]).map(({ seq, time, actor, action, target, before, after }) => [
    String(seq),
    String(time),
    actorText(actor as Json),
    String(action),
    String(target),
    changeText(before as Json | null, after as Json | null),
  ]);
  print(options, answer, table([["SEQ", "TIME", "ACTOR", "ACTION", "TARGET", "CHANGE"], ...rows]));
  if (answer.nextCursor !== null) process.stderr.write("There is more: narrow it, or give a larger --limit\n");
}

function actorText({ kind, id }: Json): string {
  return id === null ? String(kind) : `${String(kind)} ${String(id)}`;
}

/** `state: active → suspended`. */
function changeText(before: Json | null, after: Json | null): string {
  const names = new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})]);
  const text = (value: unknown) =>
    value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);
  return [...names]
    .map((name) => `${name}: ${before === null ? "" : `${text(before[name])} → `}${text(after?.[name])}`)
    .join(", ");
}

async function verify(options: VerifyOptions): Promise<void> {
  const known = options.head === undefined ? null : headOf(options.head);
  const { answer, isKept } = await withAdmin(options, async (admin) => ({
    answer: await admin.call("GET", "/admin/audit/verify"),
    isKept:
      known === null || (await admin.call("GET", `/admin/audit?limit=1&cursor=${known.seq + 1}`).then(holds(known))),
  }));
  const faults = answer.faults as readonly Json[]; // The admin API's list of faults.
  const lost = isKept || known === null ? [] : [`ENTRY ${known.seq} is not the one of the head that was given`];
  print(options, { ...answer, headHolds: known === null ? null : isKept }, [
    `${String(answer.entries)} entries, head ${String(answer.head ?? "none")}`,
    ...faults.map(({ seq, fault }) => `ENTRY ${String(seq)} ${fault === "missing" ? "is missing" : "was changed"}`),
    ...lost,
    ...(faults.length + lost.length === 0 ? ["Nothing was changed"] : []),
  ]);
  const count = faults.length + lost.length;
  if (count > 0) throw new CommandFault(count === 1 ? "1 fault" : `${count} faults`);
}

interface Head {
  readonly seq: number;
  readonly hash: string;
}

function headOf(text: string): Head {
  const [, seq, hash] = /^([1-9][0-9]{0,14}):([A-Za-z0-9_-]{43})$/.exec(text) ?? [];
  if (seq === undefined || hash === undefined)
    throw new CommandFault(`Expected --head as verify prints it, SEQ:HASH, got "${text.slice(0, 80)}"`);
  return { seq: Number(seq), hash };
}

function holds({ seq, hash }: Head): (page: Json) => boolean {
  return ({ data }) => {
    const [entry] = data as readonly Json[]; // The admin API's list of entries.
    return entry?.seq === seq && entry.hash === hash;
  };
}

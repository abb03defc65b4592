/** What `POST /admin/accounts/bulk` and `POST /admin/users/bulk` have in common: shapes, the dry run before, and the answer. Main thread. */
import Type, { type Static } from "typebox";
import { refuse } from "#core/errors.ts";
import type { BulkOutcome, BulkWish } from "#control-plane/bulk/bulk-run.ts";
import { refuseBy, rejectWith } from "./problems.ts";
import { IdParams } from "./schemas.ts";

/** Room for 10,000 ids. */
export const BULK_BYTES_MAX = 4 * 1024 * 1024;

/** How many in one go, unless more are asked for; and the most there can be. */
const BULK_MAX = 10_000;
const BULK_MAX_MAX = 100_000;

/** Ids that are told of those that change. */
const SAMPLE = 10;

/** Why, for the audit log. */
export const reason = Type.String({ minLength: 1, maxLength: 500 });

/** Ids, ours or external ones. */
export const bulkIds = Type.Array(IdParams.properties.id, { minItems: 1, maxItems: 10_000, uniqueItems: true });

/** Members of a bulk change, of whatever it is. */
export const bulkTerms = {
  reason: Type.Optional(reason),
  dryRun: Type.Boolean({ default: true }),
  /** What a dry run said in `matched`. */
  expected: Type.Optional(Type.Integer({ minimum: 0 })),
  max: Type.Integer({ minimum: 1, maximum: BULK_MAX_MAX, default: BULK_MAX }),
};

export const BulkAnswer = Type.Object({
  matched: Type.Integer(),
  changed: Type.Integer(),
  dryRun: Type.Boolean(),
  /** Ids of the first that change. */
  sample: Type.Array(Type.String()),
});

type Terms = Pick<BulkWish<unknown, unknown>, "reason" | "max" | "expected">;

export interface BulkBodyTerms {
  readonly reason?: string;
  readonly dryRun: boolean;
  readonly expected?: number;
  readonly max: number;
}

/** Runs it by the terms of the body. Refuses what is meant and was not tried before, and what matches too many or others by now. */
export async function answerBulk(
  what: "accounts" | "users",
  body: BulkBodyTerms,
  run: (terms: Terms) => Promise<BulkOutcome>,
): Promise<Static<typeof BulkAnswer>> {
  const { reason: why = null, dryRun, max } = body;
  const { matched, changed } = await run({ reason: why, max, expected: expectedOf(body) });
  if (changed === null) return mismatch(what, matched, max);
  return { matched, changed: changed.length, dryRun, sample: changed.slice(0, SAMPLE) };
}

/** As the audit log has it: not each of thousands of ids, whose own entries say what became of them. */
export function filterFacts({ ids, ...rest }: { readonly ids?: readonly string[] }): object {
  return ids === undefined ? rest : { ...rest, ids: ids.length };
}

/** null: a dry run. Whoever means it has seen what it comes to. */
function expectedOf({ dryRun, expected }: BulkBodyTerms): number | null {
  if (dryRun) return null;
  return expected ?? refuseBy("bulk:expected", "body/expected", "Expected what a dry run said in matched, as expected");
}

function mismatch(what: string, matched: number, max: number): never {
  const words =
    matched > max
      ? `${matched} ${what} match, more than max (${max}); nothing is changed`
      : `${matched} ${what} match, not as many as expected; nothing is changed`;
  return rejectWith({
    ...refuse("conflict", matched > max ? "bulk:max" : "bulk:expected", words),
    fields: { matched },
  });
}

/** What the ledger says, apart from the live counters that answer `…/usage`. */
import { type Operator, rows } from "./scene.ts";

const EVER = "from=2000-01-01T00:00:00Z&to=2100-01-01T00:00:00Z&limit=1000";

/** Units of all rows of an account's meter; what the journal holds is folded first. */
export async function ledgerUnits(operator: Operator, account: string, meter: string): Promise<number> {
  const { body } = await operator.call("GET", `/admin/usage?account=${account}&${EVER}`);
  if (body.truncated !== false) throw new Error(`More rows than one answer holds: ${JSON.stringify(body)}`);
  const own = rows(body, "data").filter((row) => row.meter === meter);
  return own.reduce((sum, row) => sum + Number(row.units), 0);
}

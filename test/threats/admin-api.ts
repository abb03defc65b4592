/** The admin API as an operator's script calls it. Does not retry and does not judge: what is not 2xx throws. */
import type { Gateway } from "#test/support/process.ts";

type Json = Readonly<Record<string, unknown>>;

export class AdminApi {
  readonly #gateway: Gateway;
  readonly #token: string;

  constructor(gateway: Gateway, token: string) {
    this.#gateway = gateway;
    this.#token = token;
  }

  async call(method: string, path: string, body?: Json): Promise<Json> {
    const response = await fetch(`${this.#gateway.adminUrl}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text}`);
    return JSON.parse(text);
  }

  /** Units charged so far, all accounts and meters; what was answered is in it. */
  async usage(): Promise<number> {
    return unitsOf(await this.call("GET", "/admin/usage?limit=100000"));
  }

  /** A new key of the account; `expires` is a duration. */
  async newKey(account: string, wish: Json = {}): Promise<{ readonly id: string; readonly secret: string }> {
    const key = await this.call("POST", "/admin/keys", { account, roles: ["User"], ...wish });
    return { id: String(key.id), secret: String(key.key) };
  }
}

/** Sum over the rows of a usage answer, of the admin API or of `tollgate usage --json`. */
export function unitsOf(answer: Json): number {
  const rows = Array.isArray(answer.data) ? answer.data : [];
  return rows.reduce((sum: number, row: Json) => sum + Number(row.units), 0);
}

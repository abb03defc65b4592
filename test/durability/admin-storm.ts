/**
 * Operators who change the same few accounts, users, members and keys all at once, and what is known of it from outside: their answers.
 * Does not judge; `admin-story.ts` does.
 */
import { type Operator, text } from "#test/support/scene.ts";
import type { Random } from "#test/support/random.ts";

/** What was answered. */
export interface Heard {
  readonly what: string;
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Method, path and body. */
type Wish = readonly [string, string, object?];

const OPERATORS = 8;
const ACCOUNTS = ["storm-1", "storm-2", "storm-3"] as const;
const USERS = ["u-1", "u-2", "u-3"] as const;
/** Keys that are changed: the latest ones. */
const KEYS_MAX = 6;

export class Storm {
  readonly #operator: Operator;
  readonly #random: Random;
  readonly #keys: string[] = [];
  readonly heard: Heard[] = [];
  #over = false;
  #work: Promise<unknown> = Promise.resolve();

  /** Accounts and users of the storm, made where there are none yet. */
  static async prepare(operator: Operator): Promise<void> {
    for (const externalId of ACCOUNTS) await operator.call("POST", "/admin/accounts", { name: externalId, externalId });
    for (const externalId of USERS) await operator.call("POST", "/admin/users", { externalId });
  }

  constructor(operator: Operator, random: Random) {
    this.#operator = operator;
    this.#random = random;
  }

  start(): void {
    this.#work = Promise.all(Array.from({ length: OPERATORS }, () => this.#run()));
  }

  /** Resolves when all operators have their last answer, or nobody answers any more. */
  async stop(): Promise<void> {
    this.#over = true;
    await this.#work;
  }

  async #run(): Promise<void> {
    while (!this.#over) {
      const [method, path, body] = this.#wish();
      // A gateway that was killed answers nobody.
      const answer = await this.#operator.call(method, path, body).catch(() => null);
      if (answer === null) return;
      this.heard.push({ what: `${method} ${path}`, status: answer.status, body: answer.body });
      if (path === "/admin/keys" && answer.status === 201) this.#remember(text(answer.body, "id"));
    }
  }

  #remember(key: string): void {
    this.#keys.push(key);
    if (this.#keys.length > KEYS_MAX) this.#keys.shift();
  }

  #wish(): Wish {
    return this.#random.pick<() => Wish>([
      () => this.#ofAccount(),
      () => this.#ofUser(),
      () => this.#ofMember(),
      () => this.#ofKey(),
    ])();
  }

  #ofAccount(): Wish {
    const random = this.#random;
    const path = `/admin/accounts/${random.pick(ACCOUNTS)}`;
    // Deleted ones are not among them: sometimes it is not what is expected.
    const bulk = { filter: { search: "storm-" }, dryRun: false, expected: random.between(2, 3) };
    return random.pick<Wish>([
      ["PATCH", path, { plan: random.pick<string | null>(["pro", "free", null]) }],
      ["PATCH", path, { name: `storm-${random.between(1, 9)}`, email: `s${random.between(1, 3)}@x.test` }],
      ["PATCH", path, { state: random.pick(["active", "suspended"]) }],
      ["POST", `${path}/suspend`],
      ["POST", `${path}/activate`],
      ["DELETE", path],
      ["POST", `${path}/restore`],
      ["POST", `${path}/restore`],
      ["POST", "/admin/accounts/bulk", { ...bulk, action: random.pick(["suspend", "activate"]) }],
      ["POST", "/admin/accounts/bulk", { ...bulk, action: "setPlan", plan: random.pick(["pro", "free"]) }],
    ]);
  }

  #ofUser(): Wish {
    const random = this.#random;
    const path = `/admin/users/${random.pick(USERS)}`;
    const bulk = { filter: { ids: USERS }, dryRun: false, expected: USERS.length };
    return random.pick<Wish>([
      ["PATCH", path, { state: random.pick(["active", "suspended"]) }],
      // Fewer addresses than users: some are taken.
      ["PATCH", path, { email: `u${random.between(1, 2)}@x.test`, name: `U ${random.between(1, 9)}` }],
      ["PATCH", path, { email: null }],
      ["DELETE", `${path}/sessions`],
      ["POST", "/admin/users/bulk", { ...bulk, action: random.pick(["suspend", "activate", "revokeSessions"]) }],
      [
        "POST",
        "/admin/users",
        { externalId: `u-${random.between(1, 1000)}`, email: `u${random.between(1, 5)}@x.test` },
      ],
      ["DELETE", `/admin/users/u-${random.between(4, 1000)}`],
    ]);
  }

  #ofMember(): Wish {
    const random = this.#random;
    const user = random.pick(USERS);
    const path = `/admin/accounts/${random.pick(ACCOUNTS)}/members`;
    return random.pick<Wish>([
      ["POST", path, { user, roles: ["User"] }],
      ["PATCH", `${path}/${user}`, { roles: random.pick<string[]>([["User"], ["Admin"], []]) }],
      ["DELETE", `${path}/${user}`],
    ]);
  }

  #ofKey(): Wish {
    const random = this.#random;
    const account = random.pick(ACCOUNTS);
    const made: Wish = ["POST", "/admin/keys", { account, roles: ["User"] }];
    const path = `/admin/keys/${this.#keys[random.between(0, this.#keys.length - 1)] ?? ""}`;
    if (this.#keys.length < 2) return made;
    return random.pick<Wish>([
      made,
      ["PATCH", path, { enabled: random.pick([true, false]) }],
      ["PATCH", path, { name: `k ${random.between(1, 9)}`, methods: random.pick<string[] | null>([["GET"], null]) }],
      ["POST", `${path}/rotate`, { overlap: random.pick(["0s", "1h"]) }],
      ["POST", `${path}/rotate`, { overlap: random.pick(["0s", "1h"]) }],
      ["DELETE", path],
    ]);
  }
}

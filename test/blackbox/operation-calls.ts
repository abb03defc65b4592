/**
 * For each operation by its id: calls of it that are answered as the document says, together with each status that is no error.
 * Every call stands alone: it makes what it needs. Own endpoints are here, those of operators in `operation-calls-admin.ts`.
 */
import { type JsonAnswer, type MadeKey, type Scene, text } from "#test/support/scene.ts";

export interface Call {
  readonly status: number;
  /** Values in the path. */
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: string;
  readonly body?: unknown;
  /** Media type of the body. */
  readonly type?: string;
  /** Who calls, where it is not who calls everything. */
  readonly bearer?: string;
}

export interface CallWorld {
  readonly scene: Scene;
  /** A key that may everything. */
  readonly boss: MadeKey;
  /** Asks an own endpoint with that key. */
  own(method: string, path: string, body?: unknown, bearer?: string): Promise<JsonAnswer>;
  /** A new token of the issuer for this user, who may everything; of the boss's account where none is named. */
  token(user: string, org?: string): string;
  /** A user with many sessions, each given once. */
  readonly seen: { readonly user: string; session(): string };
}

export type Calls = Readonly<Record<string, (world: CallWorld) => Promise<readonly Call[]>>>;

const once = async (): Promise<readonly Call[]> => [{ status: 200 }];

let events = 0;
export const event = (more: object = {}) => ({ id: `e${++events}`, source: "calls", type: "minutes", ...more });

async function reservation({ own }: CallWorld): Promise<string> {
  return text((await own("POST", "/usage/reservations", { meter: "minutes", units: 2 })).body, "id");
}

export const OWN_CALLS: Calls = {
  getHealth: once,
  // 503 is while it starts: nobody can ask then.
  getReadiness: once,
  getKeySet: once,
  getOpenApiDocument: once,
  getDocsPage: once,
  getMe: async ({ token }) => [{ status: 200 }, { status: 200, bearer: token("ada") }],
  revealOwnKey: async ({ boss }) => [{ status: 200, params: { id: boss.id } }],
  verifyKey: async ({ boss }) => [
    { status: 200, body: { key: boss.secret, scopes: [] } },
    { status: 200, body: { key: "nothing" } },
  ],
  getBillingStatus: once,
  listPlans: once,
  getUsage: async ({ token }) => [{ status: 200 }, { status: 200, bearer: token("ada") }],
  getUsageOverTime: async () => [
    { status: 200, query: "meter=minutes&interval=hour" },
    { status: 200, query: "groupBy=route,key,meter,status" },
  ],
  getUsageForecast: once,
  getCredits: once,
  getSpendCap: once,
  setSpendCap: async () => [
    { status: 200, body: { units: { minutes: 5 }, money: 700 } },
    { status: 200, body: {} },
  ],
  reportUsage: async () => [
    { status: 200, body: event() },
    { status: 200, body: [event({ data: { value: 3, user: "u" } })] },
    { status: 207, body: [event(), event({ type: "none" })] },
    { status: 200, body: event({ specversion: "1.0" }), type: "application/cloudevents+json" },
    { status: 200, body: [event({ specversion: "1.0" })], type: "application/cloudevents-batch+json" },
  ],
  reserveUnits: async ({ boss }) => [
    { status: 201, body: { meter: "minutes", units: 1, key: boss.id, user: "u", route: "all" } },
  ],
  confirmReservation: async (world) => [
    { status: 200, params: { id: await reservation(world) } },
    { status: 200, params: { id: await reservation(world) }, body: { units: 0 } },
  ],
  releaseReservation: async (world) => [{ status: 200, params: { id: await reservation(world) } }],
};

/** `POST /admin/keys/import`: keys of another system, by their hashes. Main thread. One or a list; all of them or none. */
import { setImmediate } from "node:timers/promises";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance, FastifyRequest } from "fastify";
import Type, { type Static } from "typebox";
import { canBeginSo, saysTooMuch, UNSAID_MIN } from "#core/foreign-format.ts";
import { HASH_KINDS, readDigest } from "#control-plane/accounts/foreign-hash.ts";
import { START_MAX, START_MIN } from "#control-plane/accounts/foreign-keys.ts";
import type { KeyToImport } from "#control-plane/accounts/key-import.ts";
import { keyHandOut } from "./hand-out.ts";
import { KeyAnswer, KeyBody } from "./key-schemas.ts";
import { shownKey } from "./key-views.ts";
import { operatorKey } from "./key-wishes.ts";
import { operation } from "./operation.ts";
import { atIndex, refuseAt, rejectWith } from "./problems.ts";
import { strict } from "./schemas.ts";
import type { Services } from "./services.ts";

const KEYS_MAX = 10_000;
const BYTES_MAX = 10 * 1024 * 1024;
/** Keys read between which other requests are answered. */
const STEP = 500;

const Hash = Type.Object(
  {
    kind: Type.Enum([...HASH_KINDS]),
    digest: Type.String({ minLength: 1, maxLength: 300 }),
    /** How the secret begins; needed where the digest alone does not find it. */
    start: Type.Optional(Type.String({ pattern: `^[\\x21-\\x7e]{${START_MIN},${START_MAX}}$` })),
  },
  strict,
);
const Item = Type.Object({ ...KeyBody.properties, hash: Hash }, strict);

const importKeys = operation(
  { id: "importKeys", summary: "Take over keys of another system by their hashes, all or none", tag: "API keys", errors: ["conflict"] },
  { body: Type.Array(Item, { minItems: 1, maxItems: KEYS_MAX }) },
  { 201: Type.Object({ data: Type.Array(KeyAnswer) }) },
); // biome-ignore format: the note on one line

export function registerKeyImport(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  const preValidation = async (request: FastifyRequest) => {
    const { body } = request;
    if (typeof body === "object" && body !== null && !Array.isArray(body)) request.body = [body];
  };
  app.post("/admin/keys/import", { ...importKeys, bodyLimit: BYTES_MAX, preValidation }, async (request, reply) => {
    const wanted: KeyToImport[] = [];
    for (const [index, item] of request.body.entries()) {
      wanted.push(await atIndex(index, () => readItem(services, item, `body/${index}`)));
      if (index % STEP === STEP - 1) await setImmediate();
    }
    const check = await keyHandOut(request, services);
    for (const key of wanted) check(key);
    const made = await services.keyImport.add(wanted);
    if ("index" in made) return conflict(made.index, made.detail);
    const data: Record<string, unknown>[] = [];
    for (const key of made) data.push(await shownKey(services, key));
    return reply.code(201).send({ data });
  });
}

async function readItem(services: Services, item: Static<typeof Item>, path: string): Promise<KeyToImport> {
  const { hash, account: id, ...wish } = item;
  const settings = services.settings();
  const account = await services.accounts.find(id);
  if (account === null || account.state === "deleted") refuseAt(`${path}/account`, `No account ${id}`);
  const read = readDigest(hash.kind, hash.digest);
  if ("fault" in read) refuseAt(`${path}/hash/digest`, read.fault);
  const { start } = hash;
  if (start === undefined && hash.kind !== "sha256")
    refuseAt(`${path}/hash/start`, `Expected start, the first ${START_MIN} characters or more, with ${hash.kind}`);
  const { foreign } = settings.identity.keys;
  if (start === undefined ? foreign.length === 0 : !canBeginSo(start, foreign))
    refuseAt(`${path}/hash/start`, "No key that begins so is taken: add its format to identity.keys.foreign");
  if (start !== undefined && saysTooMuch(start, foreign))
    refuseAt(`${path}/hash/start`, `Expected a start that leaves ${UNSAID_MIN} characters of the secret unsaid`);
  return {
    ...operatorKey(wish, account.id, settings),
    hash: { kind: hash.kind, digest: read.digest, start: start ?? "" },
  };
}

function conflict(index: number, detail: string): never {
  const fields = { path: `body/${index}` };
  return rejectWith({ code: "conflict", rule: "key:import", detail: `Key ${index}: ${detail}`, fields });
}

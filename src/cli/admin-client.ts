/**
 * Commands speak to the admin API: through the ops socket of the running gateway, or, when none runs, in process on the store.
 * Either way the same endpoints answer. Main thread.
 */
import { statSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import pino from "pino";
import { Client } from "undici";
import { dataFolderOf } from "#config/data-folder.ts";
import type { Settings } from "#config/settings.ts";
import { buildAdmin } from "#control-plane/api/admin.ts";
import { Foundation } from "#control-plane/foundation.ts";
import { DataFolderLocked, readRunFile } from "#control-plane/store/lock.ts";
import { CommandFault, type CommonOptions, settingsOf } from "./context.ts";

type Method = "GET" | "POST" | "PATCH" | "DELETE";
type Json = Readonly<Record<string, unknown>>;

/** How long a command waits for another command that holds the data folder. */
const LOCK_WAIT_MS = 5000;

export interface AdminClient {
  /** The answer's object. Throws `CommandFault` with the API's own words when it refuses. */
  call(method: Method, path: string, body?: Json): Promise<Json>;
}

/** There is no such thing. */
export class NotFound extends CommandFault {}

/** Runs `work` with a client; whatever was opened is closed again. A broken file does not keep a command from a running gateway. */
export async function withAdmin<T>(options: CommonOptions, work: (client: AdminClient) => Promise<T>): Promise<T> {
  let settings: Settings;
  try {
    settings = settingsOf(options);
  } catch (error) {
    const socket = readRunFile(dataFolderOf(options.config))?.opsSocket ?? null;
    if (socket === null || !isConnectable(socket)) throw error;
    return overSocket(socket, work);
  }
  for (const until = Date.now() + LOCK_WAIT_MS; ; await setTimeout(50)) {
    try {
      return await inProcess(settings, work);
    } catch (error) {
      if (!(error instanceof DataFolderLocked)) throw error;
    }
    const socket = readRunFile(settings.store.dataDir)?.opsSocket ?? null;
    if (socket !== null) return overSocket(socket, work);
    if (Date.now() > until) throw new DataFolderLocked(settings.store.dataDir, readRunFile(settings.store.dataDir));
  }
}

/** A gateway that was killed leaves its run file behind, but its socket answers nobody. */
function isConnectable(socket: string): boolean {
  return statSync(socket, { throwIfNoEntry: false })?.isSocket() === true;
}

async function overSocket<T>(socketPath: string, work: (client: AdminClient) => Promise<T>): Promise<T> {
  const http = new Client("http://tollgate", { socketPath });
  const call: AdminClient["call"] = async (method, path, body) => {
    const content =
      body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
    const { statusCode, body: answer } = await http.request({ method, path, ...content });
    return readAnswer(statusCode, await answer.text());
  };
  try {
    return await work({ call });
  } finally {
    await http.close();
  }
}

async function inProcess<T>(settings: Settings, work: (client: AdminClient) => Promise<T>): Promise<T> {
  const log = pino({ level: "warn" }, pino.destination(2));
  const foundation = await Foundation.open({
    settings: () => settings,
    log,
    announce: () => Promise.resolve(),
    publishKeys: () => Promise.resolve(),
    isLive: () => false,
    inFlight: null,
  });
  const app = buildAdmin({ services: foundation.services, log, ready: () => false, metrics: null, token: null });
  const call: AdminClient["call"] = async (method, path, body) => {
    if (path === "/admin/key-sets") await foundation.keySets.use(settings.identity.issuers);
    const answer = await app.inject({ method, url: path, ...(body === undefined ? {} : { payload: body }) });
    return readAnswer(answer.statusCode, answer.body);
  };
  try {
    await foundation.recover();
    return await work({ call });
  } finally {
    await app.close();
    await foundation.close();
  }
}

function readAnswer(status: number, text: string): Json {
  const value: unknown = JSON.parse(text);
  // The admin API answers with objects only.
  const answer = value as Json;
  if (status < 400) return answer;
  const words = String(answer.detail ?? answer.message ?? `The gateway answered ${status}`);
  throw status === 404 ? new NotFound(words) : new CommandFault(words);
}

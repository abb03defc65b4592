/** The admin API on a store that no gateway has open, in this process. Main thread. Throws `DataFolderLocked` when somebody has it. */
import pino from "pino";
import type { Settings } from "#config/settings.ts";
import { buildAdmin } from "#control-plane/api/admin.ts";
import { Foundation } from "#control-plane/foundation.ts";
import { type AdminClient, contentOf, readAnswer } from "./admin-answer.ts";

export async function inProcess<T>(settings: Settings, work: (client: AdminClient) => Promise<T>): Promise<T> {
  const log = pino({ level: "warn" }, pino.destination(2));
  const foundation = await Foundation.open({
    settings: () => settings,
    log,
    announce: () => Promise.resolve(),
    publishKeys: () => Promise.resolve(),
    isLive: () => false,
    live: null,
  });
  const app = buildAdmin({ services: foundation.services, log, ready: () => false, metrics: null, token: null });
  const call: AdminClient["call"] = async (method, path, body) => {
    if (path === "/admin/key-sets") await foundation.keySets.use(settings.identity.issuers);
    const { body: payload, headers = {} } = body === undefined ? {} : contentOf(body);
    const answer = await app.inject({ method, url: path, headers, ...(payload === undefined ? {} : { payload }) });
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

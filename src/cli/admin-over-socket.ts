/** The admin API of a gateway that runs, over its ops socket. Main thread. */
import { Client } from "undici";
import { type AdminClient, contentOf, readAnswer } from "./admin-answer.ts";

export async function overSocket<T>(socketPath: string, work: (client: AdminClient) => Promise<T>): Promise<T> {
  const http = new Client("http://tollgate", { socketPath });
  const call: AdminClient["call"] = async (method, path, body) => {
    const content = body === undefined ? {} : contentOf(body);
    const { statusCode, body: answer } = await http.request({ method, path, ...content });
    return readAnswer(statusCode, await answer.text());
  };
  try {
    return await work({ call });
  } finally {
    await http.close();
  }
}

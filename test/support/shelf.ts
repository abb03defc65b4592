/**
 * An app that makes things and knows nothing of owners: whoever asks for a thing gets it, as in many an app that was built for one
 * customer. `POST /models` makes one and answers 201 with its id; `GET`, `PUT` and `DELETE /models/{id}` do what they say to anybody.
 */
import type { ServerResponse } from "node:http";
import type { RecordedRequest } from "./upstream.ts";

export interface Shelf {
  /** Ids of the things that are there. */
  readonly ids: ReadonlySet<string>;
  /** The id of the thing that is made next: anybody can guess it. */
  readonly next: string;
  /** For `startScene` and `startUpstream`. */
  readonly handler: (request: RecordedRequest, response: ServerResponse) => void;
  /** How the next things are told of: the answer to POST. Ends the response. */
  tell(how: Telling): void;
  /** A thing from before the gateway. */
  put(id: string): void;
}

export type Telling = (id: string, response: ServerResponse) => void;

export function newShelf(nextId: (count: number) => string = (count) => `m${count}`): Shelf {
  const ids = new Set<string>();
  let made = 0;
  let telling = plainly;
  const make = (response: ServerResponse) => {
    const id = nextId(++made);
    ids.add(id);
    telling(id, response);
  };
  return {
    ids,
    get next() {
      return nextId(made + 1);
    },
    tell: (how) => (telling = how),
    put: (id) => ids.add(id),
    handler: ({ method, url }, response) => {
      const id = decodeURIComponent(url.split("?", 1)[0]?.split("/")[2] ?? "");
      if (method === "POST") return make(response);
      // As apps do whose ids are numbers.
      const meant = ids.has(id)
        ? id
        : [...ids].find((one) => /^\d+$/.test(one) && Number.parseInt(id, 10) === Number(one));
      if (meant === undefined) return answer(response, 404, { error: "no such model" });
      if (method === "DELETE") ids.delete(meant);
      answer(response, method === "DELETE" ? 204 : 200, { id: meant });
    },
  };
}

export function plainly(id: string, response: ServerResponse): void {
  answer(response, 201, { name: "a model", id });
}

export function answer(response: ServerResponse, status: number, value: unknown): void {
  if (status === 204) return void response.writeHead(204).end();
  const body = JSON.stringify(value);
  response
    .writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(body) })
    .end(body);
}

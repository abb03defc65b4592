/**
 * What node's own strict parser makes of the bytes of a connection, as lines like those of `readings.ts`: a real `http.Server` that is
 * handed connections whose bytes are there already. Judges nothing.
 */
import { createServer, type IncomingMessage } from "node:http";
import { Duplex } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { shown } from "./cases.ts";
import { fieldLines, HEAD_BYTES_MAX } from "./readings.ts";

/** A message as lines; whole when its end was seen. */
interface Message {
  readonly lines: string[];
  whole: boolean;
}

class Connection extends Duplex {
  readonly messages: Message[] = [];

  override _read(): void {}

  override _write(_chunk: unknown, _encoding: unknown, done: () => void): void {
    done();
  }
}

const server = createServer(
  {
    maxHeaderSize: HEAD_BYTES_MAX,
    insecureHTTPParser: false,
    requireHostHeader: false,
    shouldUpgradeCallback: () => false,
  },
  (request, response) => {
    // What comes in while earlier ones are unanswered is parsed all the same; an answer at once lets the next one be raised.
    record(request);
    response.end();
  },
);
server.maxHeadersCount = 0;
server.on("checkContinue", (request, response) => {
  record(request);
  response.end();
});
server.on("checkExpectation", (request, response) => {
  record(request);
  response.end();
});
server.on("connect", (request: IncomingMessage) => record(request));
// Left alone: what was read before the bad bytes is still to be looked at.
server.on("clientError", () => undefined);

const connections = new WeakMap<object, Connection>();

function record(request: IncomingMessage): void {
  const { method = "", url = "", httpVersion, rawHeaders, socket } = request;
  const message: Message = {
    lines: [`request ${method} ${shown(url)} ${httpVersion}`, ...fieldLines("field", rawHeaders)],
    whole: false,
  };
  connections.get(socket)?.messages.push(message);
  let content = "";
  request.on("data", (chunk: Buffer) => (content += chunk.toString("latin1")));
  request.on("end", () => {
    if (content !== "") message.lines.push(`content ${shown(content)}`);
    message.lines.push(...fieldLines("trailer", request.rawTrailers));
    message.whole = request.complete;
  });
}

/** The messages of each connection, those that were not whole with what was seen of their head. */
export async function nodeMessages(streams: readonly Buffer[]): Promise<readonly (readonly Message[])[]> {
  const all = streams.map((bytes) => {
    const connection = new Connection();
    connections.set(connection, connection);
    // What a client that hangs up leaves is an error of the stream.
    connection.on("error", () => undefined);
    server.emit("connection", connection);
    connection.push(bytes);
    return connection;
  });
  for (let turns = 0; turns < 6; turns++) await turn();
  for (const connection of all) connection.push(null);
  await turn();
  for (const connection of all) connection.destroy();
  return all.map(({ messages }) => messages);
}

/** Accepted sockets of either kind are read alike, and become ordinary ones again; with real sockets, plain and TLS. */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { describe, expect, onTestFinished, test } from "vitest";
import { borrowReads, endBorrowing } from "#data-plane/wire/fast/borrowed-reads.ts";
import { makeCertificate } from "#test/support/certificate.ts";

const { key, cert } = makeCertificate();
const ACCEPTED = { allowHalfOpen: true, pauseOnConnect: true } as const;

interface Kind {
  readonly kind: string;
  listen(accept: (socket: Socket) => void): Server;
  dial(port: number): Promise<Socket>;
}

const KINDS: readonly Kind[] = [
  {
    kind: "plain",
    listen: (accept) => createServer(ACCEPTED, accept),
    dial: async (port) => {
      const socket = connect(port, "127.0.0.1");
      await once(socket, "connect");
      return socket;
    },
  },
  {
    kind: "TLS",
    listen: (accept) => createTlsServer({ allowHalfOpen: true, key, cert }, accept),
    dial: async (port) => {
      const socket = connectTls({ port, host: "127.0.0.1", servername: "localhost", ca: cert });
      await once(socket, "secureConnect");
      return socket;
    },
  },
];

/** A connection's two ends: the client's, and the one accepted. */
async function pair({ listen, dial }: Kind): Promise<{ client: Socket; accepted: Socket }> {
  const accepted = Promise.withResolvers<Socket>();
  const server = listen(accepted.resolve);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // Just listening on a port.
  const client = await dial((server.address() as AddressInfo).port);
  onTestFinished(() => {
    client.destroy();
    server.close();
  });
  return { client, accepted: await accepted.promise };
}

class Taken {
  bytes = Buffer.alloc(0);
  #heard = Promise.withResolvers<void>();

  readonly take = (bytes: Buffer, length: number): void => {
    this.bytes = Buffer.concat([this.bytes, bytes.subarray(0, length)]);
    this.#heard.resolve();
    this.#heard = Promise.withResolvers();
  };

  async until(length: number): Promise<string> {
    while (this.bytes.length < length) await this.#heard.promise;
    return this.bytes.toString("latin1");
  }
}

describe.each(KINDS)("$kind", (kind) => {
  test("all bytes arrive in their order, and the end behind them", async () => {
    const { client, accepted } = await pair(kind);
    const taken = new Taken();
    const socket = borrowReads(accepted, taken.take);
    const ended = once(socket, "end");
    const sent = Array.from({ length: 500 }, (_, n) => `${n}:${"x".repeat((n * 37) % 3000)};`);
    for (const part of sent) client.write(part, "latin1");
    client.end();
    await ended;
    expect(taken.bytes.toString("latin1")).toBe(sent.join(""));
    expect(socket.bytesRead).toBe(sent.join("").length);
  });

  test("it writes, knows its peer, and hears of a client that vanishes", async () => {
    const { client, accepted } = await pair(kind);
    const socket = borrowReads(accepted, () => undefined);
    expect(socket.remoteAddress).toBe("127.0.0.1");
    const answer = once(client, "data");
    socket.write("answer", "latin1");
    expect(String((await answer)[0])).toBe("answer");
    const gone = new Promise((resolve) => socket.on("error", () => undefined).on("close", resolve));
    socket.on("end", () => socket.destroy());
    client.destroy();
    await gone;
    expect(socket.destroyed).toBe(true);
  });

  test("paused it takes nothing, resumed all", async () => {
    const { client, accepted } = await pair(kind);
    const taken = new Taken();
    const socket = borrowReads(accepted, taken.take);
    client.write("first", "latin1");
    await taken.until(5);
    socket.pause();
    client.write("second", "latin1");
    // The answer to a later message shows that the earlier one had its chance.
    const answer = once(client, "data");
    socket.write("still there", "latin1");
    await answer;
    const before = taken.bytes.length;
    socket.resume();
    expect(await taken.until(11)).toBe("firstsecond");
    expect(before).toBe(5);
  });

  test("given back it is an ordinary stream: what is given back to it comes first, and its end is seen even while it is paused", async () => {
    const { client, accepted } = await pair(kind);
    const taken = new Taken();
    const borrowed = borrowReads(accepted, taken.take);
    client.write("head", "latin1");
    await taken.until(4);
    const socket = endBorrowing(borrowed);
    socket.unshift(Buffer.from("again "));
    const parts: string[] = [];
    socket.on("data", (part: Buffer) => parts.push(part.toString("latin1")));
    client.write("and more", "latin1");
    socket.resume();
    while (parts.join("").length < 14) await once(socket, "data");
    expect(parts.join("")).toBe("again and more");
    expect(taken.bytes.length).toBe(4);
    // As pipe() does when its other end has closed.
    socket.pause();
    client.end();
    await once(socket, "end");
  });
});

test("many connections that are read into one buffer do not mix", async () => {
  const [plain] = KINDS;
  if (plain === undefined) throw new Error("No kind");
  const pairs = await Promise.all(Array.from({ length: 40 }, () => pair(plain)));
  const results = pairs.map(async ({ client, accepted }, n) => {
    const taken = new Taken();
    borrowReads(accepted, taken.take);
    for (let round = 0; round < 50; round++) client.write(`${n};`.repeat(1 + ((n * round) % 700)), "latin1");
    client.end();
    await once(client, "finish");
    const wanted = Array.from({ length: 50 }, (_, round) => `${n};`.repeat(1 + ((n * round) % 700))).join("");
    return (await taken.until(wanted.length)) === wanted;
  });
  expect(await Promise.all(results)).toEqual(pairs.map(() => true));
});

import { connect, createServer, type Socket } from "node:net";
import { once } from "node:events";

/**
 * Where a proxy stops a run: the statement never reaches the server, or its answer never comes back. It is the n-th, or
 * the first whose text matches.
 */
export interface Boundary {
  readonly statement: number | RegExp;
  readonly when: "before" | "after";
}

/** A TCP proxy before a PostgreSQL server that counts the statements of all connections through it. */
export interface Proxy {
  readonly port: number;
  /** How many statements have come, of all connections. */
  counted(): number;
  /**
   * Counts from 1 again and stops at the boundary: settles when the statement was caught there. Nothing goes on to the
   * server from then on, until `resume`. A boundary that is never reached never settles.
   */
  stopAt(boundary: Boundary): Promise<void>;
  /** Lets everything through again, on new connections. */
  resume(): void;
  /** As `resume`, and those that there are stay open and silent, as those to a machine that is gone. */
  replace(): void;
  close(): Promise<void>;
}

interface Stop extends Boundary {
  readonly reached: () => void;
}

/** Starts a proxy on a free port of 127.0.0.1. */
export async function startProxy(target: { readonly host: string; readonly port: number }): Promise<Proxy> {
  let count = 0;
  let stop: Stop | undefined;
  /** The statement of the boundary has come, */
  let caught = false;
  /** and nothing goes on any more. */
  let stopped = false;
  const sockets = new Set<Socket>();
  /** Connections that began before the n-th `replace` are silent. */
  let replaced = 0;

  const reach = (): void => {
    stopped = true;
    stop?.reached();
  };
  const server = createServer((client) => {
    const upstream = connect(target);
    const frontend = new MessageReader("startup");
    let answer: MessageReader | undefined;
    let parsed = "";
    const began = replaced;
    const isSilent = () => began < replaced;
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      // A client that was killed is gone for the server too, and the other way round.
      socket.on("error", () => undefined);
      socket.on("close", () => {
        sockets.delete(socket);
        if (!isSilent()) other.destroy();
      });
    }
    client.on("data", (chunk) => {
      for (const message of frontend.read(chunk)) {
        if (stopped || isSilent()) return;
        if (message.type === "P") parsed = textOf(message);
        if (isStatement(message)) {
          count += 1;
          const text = message.type === "Q" ? textOf(message) : parsed;
          if (stop !== undefined && !caught && isAt(stop, count, text)) {
            caught = true;
            if (stop.when === "before") {
              reach();
              return;
            }
            answer = new MessageReader("typed");
          }
        }
        upstream.write(message.bytes);
      }
    });
    upstream.on("data", (chunk) => {
      if (isSilent()) return;
      if (answer === undefined) client.write(chunk);
      // It is executed, and committed if it was not in a transaction, when the server is ready for the next one.
      else if (answer.read(chunk).some(({ type }) => type === "Z")) reach();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");

  return {
    port: address.port,
    counted: () => count,
    stopAt: (boundary) => {
      count = 0;
      return new Promise((resolve) => {
        stop = { ...boundary, reached: resolve };
      });
    },
    resume() {
      stop = undefined;
      caught = false;
      stopped = false;
      for (const socket of sockets) socket.destroy();
    },
    replace() {
      stop = undefined;
      caught = false;
      stopped = false;
      replaced += 1;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

interface Message {
  /** Empty for those that begin a connection. */
  readonly type: string;
  readonly bytes: Buffer;
}

/** What makes the server execute something: a simple Query, or Execute of the extended protocol. */
function isStatement({ type }: Message): boolean {
  return type === "Q" || type === "E";
}

/** Query: the text. Parse: the name of the prepared statement, the text, types of parameters. */
function textOf({ type, bytes }: Message): string {
  const parts = bytes.subarray(5).toString("utf8").split("\0");
  return (type === "P" ? parts[1] : parts[0]) ?? "";
}

function isAt({ statement }: Boundary, count: number, text: string): boolean {
  return typeof statement === "number" ? count === statement : statement.test(text);
}

/** SSLRequest, GSSENCRequest and CancelRequest: messages in place of, or before, the one that starts a session. */
const REQUESTS = [80_877_103, 80_877_104, 80_877_102];

/** Cuts a stream into messages (https://www.postgresql.org/docs/current/protocol-message-formats.html). */
class MessageReader {
  #rest = Buffer.alloc(0);
  #mode: "startup" | "typed";

  constructor(mode: "startup" | "typed") {
    this.#mode = mode;
  }

  /** The messages that are complete with this chunk; the rest waits for the next one. */
  read(chunk: Buffer): readonly Message[] {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    const messages: Message[] = [];
    for (let next = this.#next(); next !== undefined; next = this.#next()) messages.push(next);
    return messages;
  }

  #next(): Message | undefined {
    const head = this.#mode === "typed" ? 1 : 0;
    if (this.#rest.length < head + 4) return undefined;
    // The length counts itself and not the type.
    const size = head + this.#rest.readInt32BE(head);
    if (this.#rest.length < size) return undefined;
    const bytes = this.#rest.subarray(0, size);
    this.#rest = this.#rest.subarray(size);
    if (head === 0 && !(size >= 8 && REQUESTS.includes(bytes.readInt32BE(4)))) this.#mode = "typed";
    return { type: head === 0 ? "" : String.fromCharCode(bytes[0] ?? 0), bytes };
  }
}

/**
 * A forward proxy on loopback: CONNECT for HTTPS, absolute addresses for HTTP are refused. Demands credentials when told
 * to, and remembers what it was asked for.
 */

export interface ProxyRequest {
  /** The request's first line. */
  readonly line: string;
  /** The Proxy-Authorization header. */
  readonly authorization: string | undefined;
}

export class ConnectProxy {
  readonly requests: ProxyRequest[] = [];
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #demanded: string | undefined;
  readonly #sockets = new Set<Deno.TcpConn>();
  readonly #running = new Set<Promise<void>>();
  readonly #accepting: Promise<void>;

  /** @param demanded the Proxy-Authorization header that is wanted */
  constructor(demanded?: string) {
    this.#demanded = demanded;
    this.#accepting = this.#accept();
  }

  get url(): string {
    return `http://127.0.0.1:${this.#listener.addr.port}`;
  }

  async close(): Promise<void> {
    this.#listener.close();
    for (const socket of this.#sockets) ended(socket);
    await this.#accepting;
    await Promise.all(this.#running);
  }

  async #accept(): Promise<void> {
    for await (const socket of this.#listener) {
      this.#sockets.add(socket);
      const running = this.#serve(socket).catch(() => undefined).finally(() => {
        ended(socket);
        this.#sockets.delete(socket);
        this.#running.delete(running);
      });
      this.#running.add(running);
    }
  }

  async #serve(socket: Deno.TcpConn): Promise<void> {
    const head = await readHead(socket);
    const [line = "", ...headers] = head.split("\r\n");
    const header = headers.find((one) => one.toLowerCase().startsWith("proxy-authorization:"));
    const authorization = header?.slice(header.indexOf(":") + 1).trim();
    this.requests.push({ line, authorization });
    const target = /^CONNECT ([^:]+):(\d+) /.exec(line);
    if (this.#demanded !== undefined && authorization !== this.#demanded) return await answer(socket, "407 No");
    if (target === null) return await answer(socket, "405 Only CONNECT");
    const server = await Deno.connect({ hostname: target[1] ?? "", port: Number(target[2]) });
    this.#sockets.add(server);
    await answer(socket, "200 Connected");
    const there = socket.readable.pipeTo(server.writable).catch(() => ended(server));
    const back = server.readable.pipeTo(socket.writable).catch(() => ended(socket));
    await Promise.all([there, back]);
    ended(server);
    this.#sockets.delete(server);
  }
}

/** The request's head, without the empty line; a client sends nothing more before it has an answer. */
async function readHead(socket: Deno.TcpConn): Promise<string> {
  let head = "";
  const buffer = new Uint8Array(4096);
  while (!head.endsWith("\r\n\r\n")) {
    const read = await socket.read(buffer);
    if (read === null || head.length > 16_384) throw new Error("no whole request");
    head += new TextDecoder().decode(buffer.subarray(0, read));
  }
  return head.slice(0, -4);
}

async function answer(socket: Deno.TcpConn, status: string): Promise<void> {
  await socket.write(new TextEncoder().encode(`HTTP/1.1 ${status}\r\ncontent-length: 0\r\n\r\n`));
}

function ended(socket: Deno.TcpConn): void {
  try {
    socket.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

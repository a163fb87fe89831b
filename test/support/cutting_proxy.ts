/**
 * A TCP proxy on loopback that passes bytes both ways and, on demand, breaks a connection at the first byte of the answer:
 * the request was served, and the client cannot know. HTTP servers cannot do that, since they send a head first.
 */
export class CuttingProxy {
  /** Whether the connection is to break, by the text of what the client sent last. */
  cut: (request: string) => boolean = () => false;
  readonly #listener: Deno.TcpListener;
  readonly #upstreamPort: number;
  readonly #open = new Set<Deno.TcpConn>();
  readonly #tasks: Promise<unknown>[] = [];

  constructor(upstreamPort: number) {
    this.#upstreamPort = upstreamPort;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#tasks.push(this.#accept());
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  async close(): Promise<void> {
    this.#listener.close();
    for (const connection of this.#open) this.#shut(connection);
    await Promise.all(this.#tasks);
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) this.#tasks.push(this.#serve(client));
  }

  async #serve(client: Deno.TcpConn): Promise<void> {
    const server = await Deno.connect({ hostname: "127.0.0.1", port: this.#upstreamPort });
    this.#open.add(client).add(server);
    let request = "";
    const up = this.#pump(client, server, (chunk) => {
      request = (request + new TextDecoder("latin1").decode(chunk)).slice(-20_000);
      return true;
    });
    const down = this.#pump(server, client, () => {
      const passes = !this.cut(request);
      request = "";
      return passes;
    });
    await Promise.all([up, down]);
  }

  /** Copies until one end closes or `passes` says no; then closes both. */
  async #pump(from: Deno.TcpConn, to: Deno.TcpConn, passes: (chunk: Uint8Array) => boolean): Promise<void> {
    const buffer = new Uint8Array(16_384);
    try {
      for (let size = await from.read(buffer); size !== null; size = await from.read(buffer)) {
        const chunk = buffer.subarray(0, size);
        if (!passes(chunk)) break;
        for (let sent = 0; sent < size;) sent += await to.write(chunk.subarray(sent));
      }
    } catch {
      // The other direction closed the connection.
    }
    this.#shut(from);
    this.#shut(to);
  }

  #shut(connection: Deno.TcpConn): void {
    if (this.#open.delete(connection)) connection.close();
  }
}

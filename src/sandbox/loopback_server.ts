/**
 * One HTTP listener on loopback, the way every server of the sandbox has one: a free port, kept for life, so that a
 * test can take the server down (connections are refused) and up again under the same address.
 */

/** Answers one request. */
export type Handler = (request: Request) => Response | Promise<Response>;

export interface LoopbackServer {
  readonly hostname: "127.0.0.1";
  readonly port: number;
  /** "http://127.0.0.1:PORT", without a slash at the end. */
  readonly url: string;
  /** Closes the listener and cuts open connections: clients see a refused connection. Does nothing when down. */
  down(): Promise<void>;
  /** Listens again on the same port. Does nothing when up. */
  up(): void;
  /** Resolves when no request is in flight any more: each has its whole answer, or its client went away. */
  idle(): Promise<void>;
}

/**
 * Listens on 127.0.0.1, at a free port unless told which.
 *
 * @param handler a throw becomes a 500 with its message, so that a broken handler shows in the client's log
 */
export function serveLoopback(handler: Handler, wantedPort = 0): LoopbackServer {
  let inFlight = 0;
  let waiting: (() => void)[] = [];
  const settle = () => {
    if (--inFlight > 0) return;
    for (const resolve of waiting) resolve();
    waiting = [];
  };
  const listen = (port: number, signal: AbortSignal) =>
    Deno.serve({
      hostname: "127.0.0.1",
      port,
      signal,
      onListen() {},
      onError: (error) => new Response(error instanceof Error ? error.message : String(error), { status: 500 }),
    }, (request, { completed }) => {
      inFlight++;
      completed.then(settle, settle);
      return handler(request);
    });
  let cut = new AbortController();
  let server: Deno.HttpServer<Deno.NetAddr> | undefined = listen(wantedPort, cut.signal);
  const port = server.addr.port;
  return {
    hostname: "127.0.0.1",
    port,
    url: `http://127.0.0.1:${port}`,
    async down() {
      const closing = server;
      if (closing === undefined) return;
      server = undefined;
      cut.abort();
      await closing.finished;
    },
    up() {
      if (server !== undefined) return;
      cut = new AbortController();
      server = listen(port, cut.signal);
    },
    idle() {
      return inFlight === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve));
    },
  };
}

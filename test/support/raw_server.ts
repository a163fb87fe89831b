/** A plain HTTP server on a raw socket, for answers that hang, are cut off or lie: one scripted function a server. */
import { type HttpConnection, type RawRequest, readRequest, writeAnswer } from "./raw_http.ts";

/** A server that answers as a script says. */
export interface RawServer {
  readonly origin: string;
  readonly requests: RawRequest[];
  /** Connections accepted so far. */
  connections(): number;
  close(): Promise<void>;
}

/** Sees each request in turn, numbered from 1; one that it leaves alone hangs. */
export type RawAnswer = (connection: HttpConnection, request: RawRequest, nth: number) => unknown;

/** Listens on 127.0.0.1 at a free port. */
export function serveRaw(answer: RawAnswer): RawServer {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const requests: RawRequest[] = [];
  const open = new Set<HttpConnection>();
  let connections = 0;
  const handle = async (socket: Deno.Conn) => {
    const connection = writeAnswer(socket);
    open.add(connection);
    try {
      for await (const request of readRequest(socket)) {
        requests.push(request);
        await answer(connection, request, requests.length);
      }
    } catch (error) {
      const isClosed = error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted ||
        error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe;
      if (!isClosed) throw error;
    } finally {
      open.delete(connection);
      connection.close();
    }
  };
  const handled: Promise<void>[] = [];
  const accepting = (async () => {
    for await (const socket of listener) {
      connections++;
      handled.push(handle(socket));
    }
  })();
  return {
    origin: `http://127.0.0.1:${listener.addr.port}`,
    requests,
    connections: () => connections,
    async close() {
      listener.close();
      for (const connection of open) connection.close();
      await accepting;
      await Promise.all(handled);
    },
  };
}

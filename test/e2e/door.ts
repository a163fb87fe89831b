/**
 * A way from a loopback port out here to a server inside a run's network namespace: a socket in a folder is the same file
 * on both sides. Each side passes bytes on and knows nothing of them.
 */

export interface Door {
  /** Where it is open, where that is a port. */
  readonly port: number | null;
  close(): Promise<void>;
}

type Target =
  | { readonly transport: "unix"; readonly path: string }
  | { readonly transport?: "tcp"; readonly hostname: string; readonly port: number };

/** Out here: a port of this machine's loopback, any that is free, to the socket at a path. */
export function openOutside(path: string): Door {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return passOn(listener, listener.addr.port, { transport: "unix", path });
}

/** Inside: the socket at a path to a server. */
export function openInside(path: string, server: { readonly hostname: string; readonly port: number }): Door {
  return passOn(Deno.listen({ transport: "unix", path }), null, server);
}

function passOn(listener: Deno.Listener, port: number | null, target: Target): Door {
  const open = new Set<Deno.Conn>();
  const one = async (from: Deno.Conn): Promise<void> => {
    open.add(from);
    let to: Deno.Conn | undefined;
    try {
      to = target.transport === "unix" ? await Deno.connect(target) : await Deno.connect(target);
      open.add(to);
      await Promise.all([from.readable.pipeTo(to.writable), to.readable.pipeTo(from.writable)]);
    } catch {
      // Whoever hung up, or is not there yet: the other side sees its connection end.
    } finally {
      for (const conn of [from, to]) if (conn !== undefined) hangUp(conn, open);
    }
  };
  const connections: Promise<void>[] = [];
  const accepting = (async () => {
    for await (const conn of listener) connections.push(one(conn));
  })();
  return {
    port,
    async close() {
      listener.close();
      for (const conn of open) hangUp(conn, open);
      await accepting;
      await Promise.all(connections);
    },
  };
}

function hangUp(conn: Deno.Conn, open: Set<Deno.Conn>): void {
  open.delete(conn);
  try {
    conn.close();
  } catch (error) {
    // Its streams may have closed it.
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

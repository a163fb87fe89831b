/** A proxy on loopback in front of one server, which counts requests and the bytes of their bodies, both ways. */

export interface Traffic {
  readonly requests: number;
  readonly bytes: number;
}

export interface CountingProxy {
  /** The same path behind the proxy. */
  urlOf(url: string): string;
  /** Since the last time this was asked. */
  taken(): Traffic;
  stop(): Promise<void>;
}

export function startCountingProxy(target: string): CountingProxy {
  const { origin } = new URL(target);
  let count = { requests: 0, bytes: 0 };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const { pathname, search } = new URL(request.url);
    const body = new Uint8Array(await request.arrayBuffer());
    const headers = new Headers(request.headers);
    headers.delete("host");
    const hasBody = request.method === "POST";
    const answer = await fetch(`${origin}${pathname}${search}`, {
      method: request.method,
      headers,
      ...(hasBody ? { body } : {}),
    });
    const bytes = new Uint8Array(await answer.arrayBuffer());
    count = { requests: count.requests + 1, bytes: count.bytes + body.length + bytes.length };
    const type = answer.headers.get("content-type") ?? "application/octet-stream";
    return new Response(bytes, { status: answer.status, headers: { "content-type": type } });
  });
  return {
    urlOf: (url) => `http://127.0.0.1:${server.addr.port}${new URL(url).pathname}`,
    taken() {
      const taken = count;
      count = { requests: 0, bytes: 0 };
      return taken;
    },
    stop: () => server.shutdown(),
  };
}

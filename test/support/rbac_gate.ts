/**
 * A door in front of the sandbox's API server, as a real one has it: TLS, a bearer token, and authorisation by roles.
 * It notes every right that was used and every request that was refused.
 */
import type { Certified } from "./certificates.ts";
import { allowing, type Attributes, attributesOf, type Grant, rightOf } from "./rbac.ts";

export interface RbacGate {
  readonly port: number;
  /** Rights that a request needed, as `rightsOf` names them. */
  readonly used: ReadonlySet<string>;
  /** Requests that no rule allowed, as "verb resource.group namespace/name". */
  readonly refused: readonly string[];
  close(): Promise<void>;
}

export function openRbacGate(options: {
  /** The API server behind, "http://127.0.0.1:<port>". */
  readonly upstream: string;
  readonly token: string;
  readonly certified: Certified;
  readonly grants: readonly Grant[];
}): RbacGate {
  const used = new Set<string>();
  const refused: string[] = [];
  const allows = (asked: Attributes): boolean => {
    const found = allowing(options.grants, asked);
    for (const grant of found) used.add(rightOf(grant, asked));
    if (found.length === 0) refused.push(told(asked));
    return found.length > 0;
  };
  const stop = new AbortController();
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    cert: options.certified.certPem,
    key: options.certified.keyPem,
    signal: stop.signal,
    onListen() {},
    // A client that went away in mid-watch is how watches end.
    onError: (error) => new Response(String(error), { status: 502 }),
  }, async (request) => {
    if (request.headers.get("authorization") !== `Bearer ${options.token}`) {
      return status(401, "Unauthorized", "Unauthorized");
    }
    const asked = attributesOf(request.method, request.url);
    if (asked !== null && !allows(asked)) return status(403, "Forbidden", `forbidden: ${told(asked)}`);
    const answer = await forward(options.upstream, request);
    // Server-side apply of what is not there asks for "create" as well. Here that is only noticed afterwards.
    if (asked?.verb === "patch" && answer.status === 201) allows({ ...asked, verb: "create", name: null });
    return answer;
  });
  return {
    port: server.addr.port,
    used,
    refused,
    async close() {
      stop.abort();
      await server.finished;
    },
  };
}

async function forward(upstream: string, request: Request): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  const headers = new Headers(request.headers);
  headers.delete("authorization");
  headers.delete("host");
  const body = await request.text();
  const answer = await fetch(`${upstream}${pathname}${search}`, {
    method: request.method,
    headers,
    ...(body === "" ? {} : { body }),
  });
  return new Response(answer.body, { status: answer.status, headers: answer.headers });
}

function told({ verb, resource, group, namespace, name }: Attributes): string {
  return `${verb} ${resource}${group === "" ? "" : `.${group}`} ${namespace ?? "*"}/${name ?? "*"}`;
}

function status(code: number, reason: string, message: string): Response {
  return Response.json({ apiVersion: "v1", kind: "Status", status: "Failure", code, reason, message }, {
    status: code,
  });
}

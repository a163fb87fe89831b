/**
 * Where the API server is and how to prove who we are: from the service account of a pod. Kubeconfig files are read in
 * `kubeconfig.ts`. Nothing here sends a request.
 */
import { InvalidSpecError, UnavailableError } from "../../../src/errors.ts";
import type { Clock } from "../../../src/ports/clock.ts";

/** One API server and one identity. */
export interface KubeEndpoint {
  /** "https://10.0.0.1:443", perhaps with a path; plain "http:" is for loopback sandboxes. */
  readonly baseUrl: string;
  /** Certificate authorities, PEM, trusted in addition to the usual roots. */
  readonly caPem?: string;
  readonly certPem?: string;
  readonly keyPem?: string;
  /**
   * The bearer token to send, undefined for none.
   *
   * @param rejected a token that the server has just refused: read again if this is still the one
   */
  token(rejected?: string): Promise<string | undefined>;
  /** The agent's own namespace. */
  readonly namespace: string;
}

/** Where a pod finds its service account. */
export const SERVICE_ACCOUNT_DIRECTORY = "/var/run/secrets/kubernetes.io/serviceaccount";

/** Bound tokens are renewed long before they end; a minute is what other clients use. */
const TOKEN_AGE_MS_MAX = 60_000;

export interface InClusterOptions {
  readonly clock: Clock;
  readonly directory?: string;
  readonly env?: (name: string) => string | undefined;
}

/**
 * The endpoint as a pod sees it. The token file is read again every 60 s, and at once after a 401.
 *
 * *Caveats*: the CA file is read once; a cluster that changes its CA restarts its pods' agents.
 *
 * @throws {InvalidSpecError} this is not a pod, or its service account is not mounted
 */
export async function inClusterEndpoint(options: InClusterOptions): Promise<KubeEndpoint> {
  const env = options.env ?? ((name: string) => Deno.env.get(name));
  const directory = options.directory ?? SERVICE_ACCOUNT_DIRECTORY;
  const host = env("KUBERNETES_SERVICE_HOST");
  const port = env("KUBERNETES_SERVICE_PORT");
  if (host === undefined || host === "" || port === undefined || port === "") {
    throw new InvalidSpecError(
      "Cannot find the API server: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set",
      { fix: "Run the agent in a pod, or name a kubeconfig file" },
    );
  }
  const token = tokenFromFile(`${directory}/token`, options.clock);
  await token();
  return {
    baseUrl: `https://${host.includes(":") && !host.startsWith("[") ? `[${host}]` : host}:${port}`,
    caPem: await mounted(`${directory}/ca.crt`),
    token,
    namespace: (await mounted(`${directory}/namespace`)).trim(),
  };
}

/**
 * A token that lives in a file which others renew. Should the file be missing for a moment while it is being swapped,
 * the last token read goes on being used.
 *
 * @throws {UnavailableError} the file was never readable
 */
export function tokenFromFile(path: string, clock: Clock): (rejected?: string) => Promise<string> {
  let known: { readonly token: string; readonly readAtMs: number } | undefined;
  return async (rejected) => {
    const fresh = known !== undefined && clock.monotonic() - known.readAtMs < TOKEN_AGE_MS_MAX;
    if (known !== undefined && fresh && known.token !== rejected) return known.token;
    try {
      known = { token: (await Deno.readTextFile(path)).trim(), readAtMs: clock.monotonic() };
    } catch (cause) {
      if (known !== undefined) return known.token;
      throw new UnavailableError(`Cannot read the token file "${path}": ${reasonOf(cause)}`, {
        cause,
        fix: "Mount a service account token into the pod and let the agent read it",
      });
    }
    return known.token;
  };
}

async function mounted(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (cause) {
    throw new InvalidSpecError(`Cannot read the service account file "${path}": ${reasonOf(cause)}`, {
      cause,
      fix: "Set automountServiceAccountToken to true for the agent's pod",
    });
  }
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

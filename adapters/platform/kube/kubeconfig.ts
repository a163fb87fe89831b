/**
 * Kubeconfig files, for people who run the agent or its commands outside a cluster. The Kubernetes client library
 * parses them and runs exec and OIDC plugins; it is imported here only, and only when this is called, since it is
 * large. It never sends a request to the API server for us.
 */
import { parse } from "yaml";
import { at, listAt, stringAt } from "../../../src/core/kube_object.ts";
import { InvalidSpecError, RejectedError } from "../../../src/errors.ts";
import type { Clock } from "../../../src/ports/clock.ts";
import { machineClock } from "../clock.ts";
import { type KubeEndpoint, tokenFromFile } from "./config.ts";

/**
 * The endpoint that a context of a kubeconfig file names; the file's current context unless told otherwise.
 *
 * @throws {InvalidSpecError} the file cannot be read, has no such context, or asks for what cannot be done here
 * @throws {RejectedError} from `token()`: an exec or OIDC plugin failed
 */
export async function loadKubeconfig(
  path: string,
  context?: string,
  clock: Clock = machineClock,
): Promise<KubeEndpoint> {
  const text = await readConfig(path);
  const { KubeConfig } = await import("@kubernetes/client-node");
  const config = new KubeConfig();
  try {
    config.loadFromFile(path);
  } catch (cause) {
    throw new InvalidSpecError(`Cannot read the kubeconfig "${path}": ${reasonOf(cause)}`, { cause });
  }
  const chosenName = context ?? config.getCurrentContext();
  const chosen = config.getContextObject(chosenName);
  const cluster = chosen === null ? null : config.getCluster(chosen.cluster);
  const user = chosen === null ? null : config.getUser(chosen.user);
  if (chosen === null || cluster === null || user === null) {
    const known = config.getContexts().map((one) => one.name).join(", ");
    throw new InvalidSpecError(
      `Cannot use context "${chosenName}" of the kubeconfig "${path}": it, its cluster or its user is not there`,
      { fix: `Choose one of the contexts there are: ${known}` },
    );
  }

  const rawUser = at(listAt(parseYaml(text), "users").find((one) => stringAt(one, "name") === user.name), "user");
  refuse(path, {
    "insecure-skip-tls-verify": cluster.skipTLSVerify && !cluster.server.startsWith("http://"),
    "tls-server-name": cluster.tlsServerName !== undefined,
    "proxy-url": cluster.proxyUrl !== undefined,
    "username": user.username !== undefined,
    "as": user.impersonateUser !== undefined || at(rawUser, "as-groups") !== undefined,
  });

  // The plugins are asked through a configuration without the cluster's TLS, which they have no use for.
  const plugins = new KubeConfig();
  plugins.loadFromClusterAndUser({ name: cluster.name, server: "https://localhost", skipTLSVerify: false }, user);
  const ask = async (): Promise<PluginAnswer> => {
    const options: PluginAnswer & { headers: Record<string, unknown> } = { headers: {} };
    try {
      await plugins.applyToHTTPSOptions(options);
    } catch (cause) {
      throw new RejectedError(`Cannot get credentials for user "${user.name}" of "${path}": ${reasonOf(cause)}`, {
        cause,
        fix: "Run the credential plugin by hand, log in again, and let the agent run it (--allow-run)",
      });
    }
    return options;
  };

  const hasPlugin = user.exec !== undefined || user.authProvider !== undefined;
  const first = hasPlugin ? await ask() : {};
  const caPem = await pem(cluster.caFile, cluster.caData);
  const certPem = await pem(user.certFile, user.certData) ?? textOf(first.cert);
  const keyPem = await pem(user.keyFile, user.keyData) ?? textOf(first.key);
  const tokenFile = stringAt(rawUser, "tokenFile");
  return {
    baseUrl: cluster.server,
    namespace: chosen.namespace ?? "default",
    ...(caPem === undefined ? {} : { caPem }),
    ...(certPem === undefined || keyPem === undefined ? {} : { certPem, keyPem }),
    token: hasPlugin
      ? async () => bearerOf(await ask())
      : tokenFile !== undefined
      ? tokenFromFile(absolute(path, tokenFile), clock)
      : () => Promise.resolve(user.token),
  };
}

interface PluginAnswer {
  headers?: Record<string, unknown>;
  cert?: unknown;
  key?: unknown;
}

const REASONS: Readonly<Record<string, string>> = {
  "insecure-skip-tls-verify": "certificates are always verified; set certificate-authority instead",
  "tls-server-name": "the server's certificate must name the host in its URL",
  "proxy-url": "set HTTPS_PROXY in the environment instead",
  "username": "API servers no longer take passwords; use a token or a client certificate",
  "as": "impersonation is not passed on; bind the roles to the agent's own user",
};

function refuse(path: string, found: Readonly<Record<string, boolean>>): void {
  for (const [field, isThere] of Object.entries(found)) {
    if (!isThere) continue;
    throw new InvalidSpecError(`Cannot use the kubeconfig "${path}": "${field}" is not supported`, {
      fix: `Remove "${field}": ${REASONS[field] ?? "it has no counterpart here"}`,
    });
  }
}

async function readConfig(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (cause) {
    throw new InvalidSpecError(`Cannot read the kubeconfig "${path}": ${reasonOf(cause)}`, { cause });
  }
}

function parseYaml(text: string): unknown {
  return parse(text);
}

async function pem(file: string | undefined, data: string | undefined): Promise<string | undefined> {
  if (data !== undefined) return new TextDecoder().decode(Uint8Array.from(atob(data), (char) => char.charCodeAt(0)));
  if (file === undefined) return undefined;
  return await readConfig(file);
}

function bearerOf(answer: PluginAnswer): string | undefined {
  const header = answer.headers?.["Authorization"];
  return typeof header === "string" && header.startsWith("Bearer ") ? header.slice("Bearer ".length) : undefined;
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function absolute(configPath: string, path: string): string {
  if (path.startsWith("/")) return path;
  const slash = configPath.lastIndexOf("/");
  return slash < 0 ? path : `${configPath.slice(0, slash)}/${path}`;
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

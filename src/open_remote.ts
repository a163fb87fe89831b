/** Git remotes as the configuration names them: with their credentials, certificates, and telemetry. */
import { type GitAuth, type GitAuthSource, openGitRemote } from "../adapters/platform/git.ts";
import type { SourceConfig } from "./config/agent_config.ts";
import { InvalidSpecError } from "./errors.ts";
import type { Clock } from "./ports/clock.ts";
import type { Cluster } from "./ports/cluster.ts";
import type { GitRemote } from "./ports/git.ts";
import { readSecret } from "./shell/answers.ts";
import type { Telling } from "./shell/telling.ts";

export interface RemoteParts {
  readonly clock: Clock;
  readonly cluster: Cluster;
  readonly telling: Telling;
  /** The agent's own, for Secrets that name none. */
  readonly namespace: string;
  readonly readText: (path: string) => Promise<string>;
}

/** A remote that is connected to, with its configuration. */
export interface OpenedRemote {
  readonly source: SourceConfig;
  readonly remote: ReturnType<typeof openGitRemote>;
  /** The same, with its fetches and pushes told to telemetry. */
  readonly measured: GitRemote;
  /** Gives the connection back; resolves when nothing is under way. */
  close(): Promise<void>;
}

/**
 * Opens a source's remote. Git is asked for its tip at once, beside the API server: the source finds it here when it
 * looks.
 */
export function openRemote(source: SourceConfig, parts: RemoteParts): OpenedRemote {
  const { clock } = parts;
  const remote = openGitRemote({
    url: source.url,
    branch: source.branch,
    clock,
    auth: authOf(source, parts),
    ...(source.caFile === null ? {} : { caPem: Deno.readTextFileSync(source.caFile) }),
  });
  const measured = measuredRemote(remote, { name: source.name, clock, telling: parts.telling });
  const closing = new AbortController();
  // What goes wrong is the source's to say, which asks again.
  const first = measured.fetch(closing.signal).catch(() => undefined);
  return {
    source,
    remote,
    measured,
    async close() {
      closing.abort();
      remote.close();
      await first;
    },
  };
}

/** The same remote, with its fetches and pushes told to telemetry. */
function measuredRemote(
  remote: GitRemote,
  to: { readonly name: string; readonly clock: Clock; readonly telling: Telling },
): GitRemote {
  return {
    url: remote.url,
    branch: remote.branch,
    get tip() {
      return remote.tip;
    },
    at: (commit, signal) => remote.at(commit, signal),
    log: (max, signal) => remote.log(max, signal),
    cannotPush: (signal) => remote.cannotPush(signal),
    async fetch(signal) {
      const startedAt = to.clock.monotonic();
      try {
        return await remote.fetch(signal);
      } finally {
        to.telling.fetched(to.name, to.clock.monotonic() - startedAt);
      }
    },
    async push(base, drafts, signal) {
      try {
        const result = await remote.push(base, drafts, signal);
        const outcomes = { pushed: "pushed", unchanged: "pushed", lost: "conflict", refused: "refused" } as const;
        to.telling.pushed(to.name, outcomes[result.type]);
        return result;
      } catch (error) {
        to.telling.pushed(to.name, "unavailable");
        throw error;
      }
    },
  };
}

/** Credentials are read again for each request, so that a rotated one is used at once. */
function authOf(source: SourceConfig, parts: Pick<RemoteParts, "cluster" | "namespace" | "readText">): GitAuthSource {
  const { auth } = source;
  const { readText } = parts;
  switch (auth.type) {
    case "none":
      return () => Promise.resolve(undefined);
    case "password":
      return async () => ({
        type: "basic",
        username: auth.username,
        password: (await readText(auth.passwordFile)).trim(),
      });
    case "token":
      return async () => ({
        type: "basic",
        username: auth.username,
        password: (await readText(auth.tokenFile)).trim(),
      });
    case "ssh-key":
      throw new InvalidSpecError(`Cannot open source "${source.name}": SSH is not supported yet`, {
        fix: "Use an https:// address with a token",
      });
    case "secret":
      return async () => {
        const namespace = auth.namespace ?? parts.namespace;
        const secret = await readSecret(parts.cluster, { namespace, name: auth.name }, AbortSignal.timeout(15_000));
        return credentials(secret, auth.username);
      };
  }
}

/** A Secret in Flux's or Argo CD's layout. */
function credentials(secret: Readonly<Record<string, string>>, username: string | null): GitAuth | undefined {
  const bearer = secret["bearerToken"];
  if (bearer !== undefined) return { type: "bearer", token: bearer };
  const password = secret["password"] ?? secret["token"];
  if (password === undefined) return undefined;
  return { type: "basic", username: username ?? secret["username"] ?? "git", password };
}

/** Git remotes as the configuration names them: with their credentials, certificates, and telemetry. */
import {
  type GitAccess,
  type GitAccessSource,
  type OpenGitRemote,
  openGitRemote,
  type SignaturePolicy,
} from "../adapters/platform/git.ts";
import { GITHUB_API_URL, type Installation, type InstallationTokens } from "../adapters/platform/git/github_app.ts";
import type { SigningKeyConfig, SourceConfig } from "./config/agent_config.ts";
import { UnavailableError } from "./errors.ts";
import { accessOfSecret, signingKeyOfSecret } from "./git_secret.ts";
import type { Clock } from "./ports/clock.ts";
import type { Cluster } from "./ports/cluster.ts";
import type { GitRemote } from "./ports/git.ts";
import { readSecret } from "./shell/answers.ts";
import type { Telling } from "./shell/telling.ts";

/** How long reading a Secret with credentials may take. */
const SECRET_TIMEOUT_MS = 15_000;

export interface RemoteParts {
  readonly clock: Clock;
  readonly cluster: Pick<Cluster, "live">;
  readonly telling: Pick<Telling, "fetched" | "pushed">;
  /** The agent's own, for Secrets that name none. */
  readonly namespace: string;
  readonly readText: (path: string) => Promise<string>;
  /** Shared by all sources. */
  readonly installations: InstallationTokens;
}

/** A remote that is connected to, with its configuration. */
export interface OpenedRemote {
  readonly source: SourceConfig;
  readonly remote: OpenGitRemote;
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
  const { signingKey, verify } = source;
  const remote = openGitRemote({
    url: source.url,
    branch: source.branch,
    clock,
    access: accessTo(source, parts),
    ...(signingKey === null ? {} : {
      signingKey: (signal?: AbortSignal) => signingKeyText(source.name, signingKey, parts, signal),
    }),
    ...(verify === null ? {} : { signedBy: () => policyOf(source, verify, parts) }),
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
      await remote.close();
      await first;
    },
  };
}

/** The same remote, with its fetches and pushes told to telemetry. */
function measuredRemote(
  remote: GitRemote,
  to: { readonly name: string; readonly clock: Clock; readonly telling: RemoteParts["telling"] },
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
    ...(remote.offer === undefined ? {} : { offer: remote.offer.bind(remote) }),
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

/** Files and Secrets are read again for each request, so that what was rotated is used at once. */
function accessTo(source: SourceConfig, parts: RemoteParts): GitAccessSource {
  return async (signal, refused) => {
    const given = await givenAccess(source, parts, signal);
    const tls = { ...given.access.tls, ...await tlsOf(source, parts) };
    const proxy = await proxyOf(source, parts) ?? given.access.proxy;
    if (given.installation === null) return { ...given.access, tls, proxy };
    const access = { tls: given.isOwnApi ? tls : undefined, proxy };
    const auth = await parts.installations.auth(given.installation, { refused, access, signal });
    return { ...given.access, auth, tls, proxy };
  };
}

interface Given {
  readonly access: GitAccess;
  readonly installation: Installation | null;
  /** The API is the Git server's own, and has its certificates. */
  readonly isOwnApi: boolean;
}

async function givenAccess(
  { name, auth }: SourceConfig,
  parts: RemoteParts,
  signal: AbortSignal | undefined,
): Promise<Given> {
  const read = async (path: string) => (await textOf(parts, name, path)).trim();
  const of = (access: GitAccess): Given => ({ access, installation: null, isOwnApi: false });
  switch (auth.type) {
    case "none":
      return of({});
    case "password":
      return of({ auth: { type: "basic", username: auth.username, password: await read(auth.passwordFile) } });
    case "token":
      return of({ auth: { type: "basic", username: auth.username, password: await read(auth.tokenFile) } });
    case "bearer":
      return of({ auth: { type: "bearer", token: await read(auth.bearerTokenFile) } });
    case "ssh-key":
      return of({
        ssh: {
          privateKey: await read(auth.sshKeyFile),
          knownHosts: await read(auth.knownHostsFile),
          ...(auth.username === null ? {} : { username: auth.username }),
        },
      });
    case "github-app": {
      const { appId, installationId, privateKeyFile } = auth;
      const apiUrl = auth.apiUrl ?? GITHUB_API_URL;
      const installation = { appId, installationId, privateKeyPem: await read(privateKeyFile), apiUrl };
      return { access: {}, installation, isOwnApi: apiUrl !== GITHUB_API_URL };
    }
    case "secret": {
      const { data: secret } = await secretOf(auth, parts, signal);
      const knownHosts = auth.knownHostsFile === null ? null : await read(auth.knownHostsFile);
      const found = accessOfSecret(secret, { username: auth.username, knownHosts });
      return { ...found, isOwnApi: found.installation !== null && found.installation.apiUrl !== GITHUB_API_URL };
    }
  }
}

/** A Secret that the configuration names, and how it is called in messages. */
async function secretOf(
  { name, namespace }: { readonly name: string; readonly namespace: string | null },
  parts: RemoteParts,
  signal: AbortSignal | undefined,
): Promise<{ readonly data: Readonly<Record<string, string>>; readonly shown: string }> {
  const named = { namespace: namespace ?? parts.namespace, name };
  const until = AbortSignal.any([AbortSignal.timeout(SECRET_TIMEOUT_MS), ...(signal === undefined ? [] : [signal])]);
  return { data: await readSecret(parts.cluster, named, until), shown: `${named.namespace}/${name}` };
}

async function signingKeyText(
  source: string,
  key: SigningKeyConfig,
  parts: RemoteParts,
  signal: AbortSignal | undefined,
): Promise<string> {
  if (key.type === "file") return await textOf(parts, source, key.path);
  const { data, shown } = await secretOf(key, parts, signal);
  return signingKeyOfSecret(data, shown);
}

async function tlsOf(source: SourceConfig, parts: RemoteParts): Promise<NonNullable<GitAccess["tls"]>> {
  const { caFile, clientCertFile, clientKeyFile } = source;
  const read = (path: string) => textOf(parts, source.name, path);
  return {
    ...(caFile === null ? {} : { caPem: await read(caFile) }),
    ...(clientCertFile === null ? {} : { certPem: await read(clientCertFile) }),
    ...(clientKeyFile === null ? {} : { keyPem: await read(clientKeyFile) }),
  };
}

async function proxyOf({ name, proxy }: SourceConfig, parts: RemoteParts): Promise<GitAccess["proxy"]> {
  if (proxy === null) return undefined;
  const { url, username, passwordFile } = proxy;
  return {
    url,
    ...(username === null ? {} : { username }),
    ...(passwordFile === null ? {} : { password: (await textOf(parts, name, passwordFile)).trim() }),
  };
}

async function policyOf(
  { name }: SourceConfig,
  verify: NonNullable<SourceConfig["verify"]>,
  parts: RemoteParts,
): Promise<SignaturePolicy> {
  const { allowedSignersFile, openpgpKeysFile } = verify;
  return {
    ...(allowedSignersFile === null
      ? {}
      : { ssh: { name: allowedSignersFile, text: await textOf(parts, name, allowedSignersFile) } }),
    ...(openpgpKeysFile === null ? {} : { openpgp: await textOf(parts, name, openpgpKeysFile) }),
  };
}

/** A file that the configuration names; the error says which. */
async function textOf({ readText }: RemoteParts, source: string, path: string): Promise<string> {
  try {
    return await readText(path);
  } catch (cause) {
    throw new UnavailableError(`Cannot use source "${source}": "${path}" cannot be read`, {
      fix: "Check that the file is there and that the agent may read it; it is tried again.",
      cause,
    });
  }
}

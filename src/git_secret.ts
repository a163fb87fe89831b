/**
 * Secrets with credentials for Git, as Flux and Argo CD lay them out, so that one that exists can be used as it is.
 *
 * @see https://fluxcd.io/flux/components/source/gitrepositories/#secret-reference
 * @see https://argo-cd.readthedocs.io/en/stable/operator-manual/declarative-setup/#repositories
 */
import type { GitAccess } from "../adapters/platform/git.ts";
import { GITHUB_API_URL, type Installation } from "../adapters/platform/git/github_app.ts";
import { UnavailableError } from "./errors.ts";

/** What a Secret holds: access, or an installation whose tokens give it. */
export interface SecretAccess {
  readonly access: GitAccess;
  readonly installation: Installation | null;
}

/** What the configuration says beside the Secret. */
export interface BesideSecret {
  readonly username: string | null;
  /** Text of a file of known hosts, for Secrets that hold none. */
  readonly knownHosts: string | null;
}

/** Reads a Secret, by keys; what is not there is left out. */
export function accessOfSecret(secret: Readonly<Record<string, string>>, beside: BesideSecret): SecretAccess {
  const first = (...names: readonly string[]): string | undefined =>
    names.map((name) => secret[name]).find((value) => value !== undefined && value !== "");
  const username = beside.username ?? first("username");
  const privateKey = first("identity", "sshPrivateKey", "ssh-privatekey");
  const caPem = first("ca.crt", "caFile");
  const certPem = first("tls.crt", "certFile", "tlsClientCertData");
  const keyPem = first("tls.key", "keyFile", "tlsClientCertKey");
  const proxy = first("proxy");
  return {
    access: {
      auth: authOf(first("bearerToken"), first("password", "token"), username),
      tls: {
        ...(caPem === undefined ? {} : { caPem }),
        ...(certPem === undefined ? {} : { certPem }),
        ...(keyPem === undefined ? {} : { keyPem }),
      },
      proxy: proxy === undefined ? undefined : proxyOf(proxy),
      ssh: privateKey === undefined ? undefined : {
        privateKey,
        knownHosts: first("known_hosts") ?? beside.knownHosts ?? "",
        ...(username === undefined ? {} : { username }),
      },
    },
    installation: installationOf(first),
  };
}

/** Names of a key that signs: Flux's for OpenPGP, Kubernetes' and Flux's for SSH. */
const SIGNING_KEYS = ["git.asc", "ssh-privatekey", "identity"] as const;

/**
 * The text of the key that commits are signed with.
 *
 * @throws {UnavailableError} the Secret holds none
 */
export function signingKeyOfSecret(secret: Readonly<Record<string, string>>, shown: string): string {
  const found = SIGNING_KEYS.map((name) => secret[name]).find((value) => value !== undefined && value !== "");
  if (found !== undefined) return `${found}\n`;
  throw new UnavailableError(`Cannot sign commits: Secret "${shown}" holds no signing key`, {
    fix: `Put it there as ${SIGNING_KEYS.map((name) => `"${name}"`).join(" or ")}; it is tried again.`,
  });
}

function authOf(bearer: string | undefined, password: string | undefined, username: string | undefined) {
  if (bearer !== undefined) return { type: "bearer" as const, token: bearer.trim() };
  if (password === undefined) return undefined;
  return { type: "basic" as const, username: (username ?? "git").trim(), password: password.trim() };
}

function installationOf(first: (...names: readonly string[]) => string | undefined): Installation | null {
  const appId = first("githubAppID");
  const installationId = first("githubAppInstallationID");
  const privateKeyPem = first("githubAppPrivateKey");
  if (appId === undefined || installationId === undefined || privateKeyPem === undefined) return null;
  const apiUrl = first("githubAppBaseURL", "githubAppEnterpriseBaseUrl") ?? GITHUB_API_URL;
  return { appId: appId.trim(), installationId: installationId.trim(), privateKeyPem, apiUrl: apiUrl.trim() };
}

/** Argo CD writes credentials into the address of the proxy. */
function proxyOf(text: string): NonNullable<GitAccess["proxy"]> {
  const url = URL.parse(text.trim());
  if (url === null || url.username === "") return { url: text.trim() };
  const [username, password] = [decodeURIComponent(url.username), decodeURIComponent(url.password)];
  url.username = "";
  url.password = "";
  return { url: url.href, username, password };
}

/**
 * What is needed to be let in by a remote: credentials, certificates, a proxy, an SSH key. How it is read anew when it is
 * rotated, and how it is kept out of everything that people read.
 */
import { SerinError, UnavailableError } from "../../../src/errors.ts";

export type GitAuth =
  | { readonly type: "basic"; readonly username: string; readonly password: string }
  | { readonly type: "bearer"; readonly token: string };

/** PEM texts, for HTTPS. */
export interface TlsAccess {
  /** Certificate authorities to trust beside the usual ones. */
  readonly caPem?: string;
  /** What we show to a server that asks who we are; both or none. */
  readonly certPem?: string;
  readonly keyPem?: string;
}

/** A proxy for HTTP and HTTPS. */
export interface ProxyAccess {
  /** Without credentials. */
  readonly url: string;
  readonly username?: string;
  readonly password?: string;
}

export interface SshAccess {
  /** Who to log in as where the address does not say; "git" by default. */
  readonly username?: string;
  /** The text of a private key without passphrase. */
  readonly privateKey: string;
  /** The text of a known_hosts file; a server that it does not name is never talked to. */
  readonly knownHosts: string;
}

export interface GitAccess {
  readonly auth?: GitAuth | undefined;
  readonly tls?: TlsAccess | undefined;
  readonly proxy?: ProxyAccess | undefined;
  readonly ssh?: SshAccess | undefined;
}

/**
 * Fixed access, or a function asked at each request, so that what was rotated is picked up from where it lies.
 * `refused` says that the server has just refused what was given last.
 */
export type GitAccessSource =
  | GitAccess
  | ((signal: AbortSignal | undefined, refused: boolean) => Promise<GitAccess>);

/**
 * The access of now.
 *
 * @param shown the remote's address, for messages
 * @throws {UnavailableError} it cannot be read
 */
export async function readAccess(
  source: GitAccessSource | undefined,
  to: { readonly shown: string; readonly signal?: AbortSignal | undefined; readonly refused?: boolean },
): Promise<GitAccess> {
  if (typeof source !== "function") return source ?? {};
  try {
    return await source(to.signal, to.refused === true);
  } catch (cause) {
    to.signal?.throwIfAborted();
    if (cause instanceof SerinError) throw cause;
    throw new UnavailableError(`Cannot use Git remote "${to.shown}": its credentials cannot be read`, {
      fix: "Check that the files or the Secret with the credentials are there and can be read.",
      cause,
    });
  }
}

/** The value of an Authorization header. */
export function authorizationOf(auth: GitAuth): string {
  if (auth.type === "bearer") return `Bearer ${auth.token}`;
  const bytes = new TextEncoder().encode(`${auth.username}:${auth.password}`);
  return `Basic ${bytes.toBase64()}`;
}

/** Somebody else's words without the secrets, should they repeat them. */
export function redact(text: string, access: GitAccess): string {
  const { auth, proxy } = access;
  const secrets = [
    auth === undefined ? undefined : auth.type === "basic" ? auth.password : auth.token,
    auth === undefined ? undefined : authorizationOf(auth).replace(/^\w+ /, ""),
    proxy?.password,
  ];
  return secrets.reduce<string>(
    (words, secret) => secret === undefined || secret === "" ? words : words.replaceAll(secret, "[redacted]"),
    text,
  );
}

/**
 * Addresses of remotes: http(s), ssh:// and the short form of SSH. What carries a password is refused, and so is what a
 * program that is given the address could take for one of its options.
 */
import { InvalidSpecError } from "../../../src/errors.ts";

export interface HttpAddress {
  readonly type: "http";
  /** Without credentials, query, and slashes at its end. */
  readonly url: URL;
  /** For messages. */
  readonly shown: string;
}

export interface SshAddress {
  readonly type: "ssh";
  /** null: the address does not say. */
  readonly user: string | null;
  readonly host: string;
  /** null: SSH's own, 22. */
  readonly port: number | null;
  /** As the server is told: absolute, or in the user's home. */
  readonly path: string;
  readonly shown: string;
}

export type RemoteAddress = HttpAddress | SshAddress;

/** "git@host:team/fleet.git": a user, no slash before the colon, and no second slash after it. */
const SHORT = /^([^@/:]+)@([^@/:]+|\[[0-9A-Fa-f:.]+\]):(?!\/\/)(.+)$/;
const USER = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/;
const HOST = /^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])$/;

/** @throws {InvalidSpecError} it is no address of a remote, or carries credentials, which would end up in messages */
export function parseRemoteAddress(text: string): RemoteAddress {
  const url = URL.parse(text);
  if (url !== null && /^https?:$/.test(url.protocol)) return httpAddress(url);
  if (url?.protocol === "ssh:") return sshAddress(url);
  const [, user, host, path] = SHORT.exec(text) ?? [];
  if (user !== undefined && host !== undefined && path !== undefined) {
    return checked({ type: "ssh", user, host, port: null, path, shown: text });
  }
  throw noAddress();
}

function httpAddress(url: URL): HttpAddress {
  if (url.username !== "" || url.password !== "") throw withCredentials(`${url.origin}${url.pathname}`);
  url.pathname = url.pathname.replace(/\/+$/, "");
  url.hash = "";
  url.search = "";
  return { type: "http", url, shown: `${url.origin}${url.pathname}` };
}

function sshAddress(url: URL): SshAddress {
  if (url.password !== "") throw withCredentials(`ssh://${url.host}${url.pathname}`);
  const user = url.username === "" ? null : decoded(url.username);
  const port = url.port === "" ? null : Number(url.port);
  const path = decoded(url.pathname).replace(/\/+$/, "");
  const shown = `ssh://${user === null ? "" : `${user}@`}${url.host}${path}`;
  // "/~ada/fleet.git" is in somebody's home.
  return checked({ type: "ssh", user, host: url.hostname, port, path: path.replace(/^\/~/, "~"), shown });
}

function checked(address: SshAddress): SshAddress {
  // deno-lint-ignore no-control-regex
  const isOddPath = address.path === "" || address.path.startsWith("-") || /[\x00-\x1f\x7f]/.test(address.path);
  const isOddUser = address.user !== null && !USER.test(address.user);
  if (isOddPath || isOddUser || !HOST.test(address.host)) throw noAddress();
  return address;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw noAddress();
  }
}

/** The text is not repeated: what is no address may be anything, a token too. */
function noAddress(): InvalidSpecError {
  return new InvalidSpecError("Cannot use a Git remote: its url is no http, https or ssh address", {
    fix:
      'Give an address such as "https://git.example.com/team/fleet.git" or "ssh://git@git.example.com/team/fleet.git".',
  });
}

function withCredentials(shown: string): InvalidSpecError {
  return new InvalidSpecError(`Cannot use Git remote "${shown}": its url carries credentials`, {
    fix: "Take user name and password out of the url and configure them as credentials.",
  });
}

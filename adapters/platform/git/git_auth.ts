/** Credentials for a remote: what they are, and how they are kept out of everything that people read. */
import { InvalidSpecError } from "../../../src/errors.ts";

export type GitAuth =
  | { readonly type: "basic"; readonly username: string; readonly password: string }
  | { readonly type: "bearer"; readonly token: string };

/** Fixed credentials, or a function asked at each request, so that rotated ones are picked up from where they lie. */
export type GitAuthSource = GitAuth | ((signal?: AbortSignal) => Promise<GitAuth | undefined>);

/** The value of an Authorization header. */
export function authorizationOf(auth: GitAuth): string {
  if (auth.type === "bearer") return `Bearer ${auth.token}`;
  const bytes = new TextEncoder().encode(`${auth.username}:${auth.password}`);
  return `Basic ${bytes.toBase64()}`;
}

/** A server's words without the secrets, should it repeat them. */
export function redact(text: string, auth: GitAuth | undefined): string {
  const secret = auth === undefined ? "" : auth.type === "basic" ? auth.password : auth.token;
  return secret === "" ? text : text.replaceAll(secret, "[redacted]");
}

/**
 * The address of a remote without slashes at its end.
 *
 * @throws {InvalidSpecError} when it is no http(s) address, or carries credentials, which would end up in messages
 */
export function parseRemoteUrl(url: string): URL {
  const parsed = URL.parse(url);
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) {
    // The text is not repeated: what is no address may be anything, a token too.
    throw new InvalidSpecError("Cannot use a Git remote: its url is no http or https address", {
      fix: 'Give an address such as "https://git.example.com/team/fleet.git"; SSH is not supported yet.',
    });
  }
  if (parsed.username !== "" || parsed.password !== "") {
    throw new InvalidSpecError(
      `Cannot use Git remote "${parsed.origin}${parsed.pathname}": its url carries credentials`,
      {
        fix: "Take user name and password out of the url and configure them as credentials.",
      },
    );
  }
  parsed.pathname = parsed.pathname.replace(/\/+$/, "");
  parsed.hash = "";
  parsed.search = "";
  return parsed;
}

/**
 * Addresses of outgoing requests: taken apart before use, since whatever part of a URL may be a secret (userinfo, a
 * token in the query, the whole path of a chat webhook), and the text of every failure is made here without them.
 */
import { Buffer } from "node:buffer";
import { InvalidSpecError } from "../../../src/errors.ts";

export interface Address {
  /** Without userinfo. */
  readonly url: URL;
  /** Decoded, or null where there is none. */
  readonly userinfo: Userinfo | null;
}

export interface Userinfo {
  readonly username: string;
  readonly password: string;
}

/**
 * @param what for the message: "a request", "a request through a proxy"
 * @throws {InvalidSpecError} it is not a URL, or not one of `protocols`; the message does not repeat it
 */
export function parseAddress(
  text: string,
  what = "a request",
  protocols: readonly string[] = ["http:", "https:"],
): Address {
  const url = URL.parse(text);
  const names = protocols.map((protocol) => protocol.slice(0, -1)).join(" or ");
  if (url === null || url.hostname === "") {
    throw new InvalidSpecError(`Cannot send ${what}: its address is not a URL`, { fix: `Give a full ${names} URL.` });
  }
  if (!protocols.includes(url.protocol)) {
    throw new InvalidSpecError(
      `Cannot send ${what} to "${labelOf(url)}": the protocol "${url.protocol.slice(0, -1)}" is not supported`,
      { fix: `Give an ${names} URL.` },
    );
  }
  const { username, password } = url;
  url.username = "";
  url.password = "";
  url.hash = "";
  const userinfo = username === "" && password === ""
    ? null
    : { username: decoded(username), password: decoded(password) };
  return { url, userinfo };
}

/** The value of an Authorization header. */
export function basicOf(userinfo: Userinfo): string {
  return `Basic ${Buffer.from(`${userinfo.username}:${userinfo.password}`, "utf8").toString("base64")}`;
}

/** "https://hooks.example.com/…": the origin, and whether anything follows it, but never what. */
export function labelOf(url: URL): string {
  const more = url.pathname.length > 1 || url.search !== "";
  return `${url.protocol}//${url.host}${more ? "/…" : ""}`;
}

/** Why a connection failed, and whether a later attempt may do better. */
export interface ConnectionFailure {
  readonly reason: string;
  readonly isFinal: boolean;
  readonly fix?: string;
}

/**
 * The runtime's messages quote the URL, so none of their text is passed on: they are only searched for what is known.
 */
const FAILURES: readonly (readonly [RegExp, ConnectionFailure])[] = [
  [/invalid peer certificate|certificate/i, {
    reason: "its certificate is not trusted",
    isFinal: true,
    fix: "Add the authority that signed it to the agent's CA bundle.",
  }],
  [/dns error|failed to lookup/i, { reason: "its name cannot be resolved", isFinal: false }],
  [/connection refused/i, { reason: "the connection was refused", isFinal: false }],
  [/tunnel|proxy/i, { reason: "the proxy did not let it through", isFinal: false }],
  [/reading a body|end of file|incomplete|before message completed|unexpected eof|decoding/i, {
    reason: "the answer was cut off",
    isFinal: false,
  }],
  [/connection reset|broken pipe/i, { reason: "the connection was reset", isFinal: false }],
  [/unreachable|no route/i, { reason: "its network cannot be reached", isFinal: false }],
];

/** What is known of a failure of `fetch`, in words that hold nothing of the request. */
export function describeFailure(error: unknown): ConnectionFailure {
  if (error instanceof Deno.errors.NotCapable) {
    return {
      reason: "the agent may not connect to it",
      isFinal: true,
      fix: "Allow the host in the agent's network permissions.",
    };
  }
  const text = messagesOf(error).join(" ");
  return FAILURES.find(([pattern]) => pattern.test(text))?.[1] ?? { reason: "the connection failed", isFinal: false };
}

/** Causes followed, at most this deep. */
const CAUSES_MAX = 8;

function messagesOf(error: unknown): readonly string[] {
  const messages: string[] = [];
  for (let here = error; here instanceof Error && messages.length < CAUSES_MAX; here = here.cause) {
    messages.push(withoutUrls(here.message));
  }
  return messages;
}

/** So that words within a URL are not taken for the failure. */
function withoutUrls(text: string): string {
  return text.replaceAll(/[a-z][a-z0-9+.-]*:\/\/\S*/gi, "");
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (error) {
    if (error instanceof URIError) return part;
    throw error;
  }
}

/**
 * Tokens of GitHub App installations: asked for with a short-lived signed claim, kept for their hour, replaced in time. One
 * for all sources of an installation.
 *
 * @see https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-an-installation-access-token-for-a-github-app
 */
import { createPrivateKey, type KeyObject, sign } from "node:crypto";
import { InvalidSpecError, RejectedError, SerinError, UnavailableError } from "../../../src/errors.ts";
import type { Clock } from "../../../src/ports/clock.ts";
import type { GitAccess, GitAuth } from "./access.ts";
import { clientOptions, makeClient } from "./http_clients.ts";
import { parseRetryAfter } from "./http_status.ts";

/** Where GitHub itself answers; an Enterprise Server does at "https://HOST/api/v3". */
export const GITHUB_API_URL = "https://api.github.com";

export interface Installation {
  /** Number, or client id. */
  readonly appId: string;
  readonly installationId: string;
  /** PEM, as GitHub gives it. */
  readonly privateKeyPem: string;
  /** Without a slash at its end. */
  readonly apiUrl: string;
}

export interface TokenRequest {
  /** The last one was refused: a new one is asked for. */
  readonly refused: boolean;
  readonly access: Pick<GitAccess, "tls" | "proxy">;
  readonly signal?: AbortSignal | undefined;
}

/** Clocks differ: GitHub refuses claims from the future. */
const ISSUED_BEFORE_S = 60;
/** GitHub takes claims of at most ten minutes. */
const CLAIM_S = 9 * 60;
/** A token is replaced this long before its end. */
const RENEW_BEFORE_MS = 10 * 60_000;
/** A token that was refused is not replaced more often than this. */
const REFUSED_AGAIN_MS = 30_000;
const TIMEOUT_MS = 15_000;
const ANSWER_CHARS_MAX = 100_000;
const WORDS_CHARS_MAX = 200;
/** What is asked for: no more than pushing needs, and reading alone where the App has no more. */
const PERMISSIONS = [{ contents: "write" }, { contents: "read" }] as const;

interface Token {
  readonly text: string;
  readonly madeMs: number;
  readonly endsMs: number;
}

export class InstallationTokens {
  readonly #clock: Clock;
  readonly #tokens = new Map<string, Token>();
  readonly #asking = new Map<string, Promise<Token>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Credentials for Git over HTTPS.
   *
   * @throws {RejectedError} GitHub does not accept the App, its key or its installation
   * @throws {UnavailableError} no answer
   * @throws {InvalidSpecError} the key or the address cannot be used
   */
  async auth(installation: Installation, request: TokenRequest): Promise<GitAuth> {
    const { apiUrl, appId, installationId } = installation;
    const key = JSON.stringify([apiUrl, appId, installationId]);
    const now = this.#clock.now();
    const known = this.#tokens.get(key);
    const isGood = known !== undefined && known.endsMs - RENEW_BEFORE_MS > now;
    const mayStay = !request.refused || (known !== undefined && now - known.madeMs < REFUSED_AGAIN_MS);
    const token = known !== undefined && isGood && mayStay ? known : await this.#renewed(key, installation, request);
    return { type: "basic", username: "x-access-token", password: token.text };
  }

  /** Those who ask at once share one request, which no one of them can give up for the others. */
  async #renewed(key: string, installation: Installation, request: TokenRequest): Promise<Token> {
    let asking = this.#asking.get(key);
    if (asking === undefined) {
      asking = this.#ask(installation, request).finally(() => this.#asking.delete(key));
      this.#asking.set(key, asking);
    }
    const token = await unlessAborted(asking, request.signal);
    this.#tokens.set(key, token);
    return token;
  }

  async #ask(installation: Installation, { access }: TokenRequest): Promise<Token> {
    const url = tokenUrl(installation);
    const claim = signedClaim(installation, Math.floor(this.#clock.now() / 1000));
    const client = makeClient(clientOptions(access, installation.apiUrl), installation.apiUrl);
    try {
      for (const permissions of PERMISSIONS) {
        const answer = await this.#post(url, { claim, permissions, client });
        if (answer.status === 201) return this.#read(answer.text, url);
        // 422: the App has fewer permissions than were asked for.
        if (answer.status !== 422) throw this.#statusError(url, answer);
      }
      throw new RejectedError(`Cannot get a token from "${url}": the App may not read the contents of repositories`, {
        fix: 'Give the App the repository permission "Contents": read and write, and accept it in the installation.',
      });
    } finally {
      client.close();
    }
  }

  async #post(
    url: string,
    with_: { claim: string; permissions: Readonly<Record<string, string>>; client: Deno.HttpClient },
  ) {
    const { claim, permissions, client } = with_;
    const timeout = new AbortController();
    const done = new AbortController();
    this.#clock.sleep(TIMEOUT_MS, done.signal).then(() => timeout.abort(), () => undefined);
    try {
      const response = await fetch(url, {
        method: "POST",
        client,
        signal: timeout.signal,
        redirect: "manual",
        headers: {
          accept: "application/vnd.github+json",
          authorization: `Bearer ${claim}`,
          "content-type": "application/json",
          "user-agent": "serin/1",
          "x-github-api-version": "2022-11-28",
        },
        body: JSON.stringify({ permissions }),
      });
      const text = await bounded(response);
      return { status: response.status, headers: response.headers, text };
    } catch (cause) {
      if (cause instanceof SerinError) throw cause;
      const why = timeout.signal.aborted
        ? `no answer within ${TIMEOUT_MS} ms`
        : innermost(cause).replaceAll(claim, "…");
      throw new UnavailableError(`Cannot get a token from "${url}": ${why}`, { cause });
    } finally {
      done.abort();
    }
  }

  #read(text: string, url: string): Token {
    const { token, expires_at: endsAt } = jsonObject(text);
    const endsMs = typeof endsAt === "string" ? Date.parse(endsAt) : Number.NaN;
    if (typeof token !== "string" || token === "" || Number.isNaN(endsMs)) {
      throw new UnavailableError(`Cannot get a token from "${url}": the answer holds none`);
    }
    return { text: token, madeMs: this.#clock.now(), endsMs };
  }

  #statusError(url: string, answer: { status: number; headers: Headers; text: string }): SerinError {
    const { status, headers, text } = answer;
    const said = jsonObject(text)["message"];
    const words = typeof said === "string" ? `: ${JSON.stringify(said.slice(0, WORDS_CHARS_MAX))}` : "";
    const message = `Cannot get a token from "${url}": GitHub answers ${status}${words}`;
    const retryAfterMs = parseRetryAfter(headers.get("retry-after"), this.#clock.now());
    const isLimited = status === 429 || (status === 403 && headers.get("x-ratelimit-remaining") === "0");
    if (status >= 500 || isLimited || retryAfterMs !== undefined) {
      return new UnavailableError(message, retryAfterMs === undefined ? {} : { retryAfterMs });
    }
    return new RejectedError(message, { fix: FIXES[status] ?? FIXES[404] ?? "", data: { status } });
  }
}

const FIXES: Readonly<Record<number, string>> = {
  401: "Check that the App's id and its private key belong together, and that this machine's clock is right.",
  403: "Look whether the installation is suspended.",
  404: "Check the installation's id, that the App is installed for the repository, and the address of the API.",
};

function tokenUrl({ apiUrl, installationId }: Installation): string {
  const url = URL.parse(
    `${apiUrl.replace(/\/+$/, "")}/app/installations/${encodeURIComponent(installationId)}/access_tokens`,
  );
  if (url !== null && /^https?:$/.test(url.protocol) && url.username === "") return url.href;
  throw new InvalidSpecError("Cannot get a token of a GitHub App: the address of its API cannot be used", {
    fix: `Leave it out for ${GITHUB_API_URL}, or write "https://HOST/api/v3" for an Enterprise Server.`,
  });
}

/** A JSON Web Token, signed with RS256; exported for tests. @param nowS epoch seconds */
export function signedClaim({ appId, privateKeyPem }: Installation, nowS: number): string {
  const encode = (value: unknown) =>
    new TextEncoder().encode(JSON.stringify(value)).toBase64({ alphabet: "base64url", omitPadding: true });
  const times = { iat: nowS - ISSUED_BEFORE_S, exp: nowS + CLAIM_S };
  const head = `${encode({ alg: "RS256", typ: "JWT" })}.${encode({ ...times, iss: appId })}`;
  const signature = sign("RSA-SHA256", new TextEncoder().encode(head), privateKey(privateKeyPem));
  return `${head}.${signature.toString("base64url")}`;
}

function privateKey(pem: string): KeyObject {
  try {
    const key = createPrivateKey(pem.replaceAll("\r", ""));
    if (key.asymmetricKeyType === "rsa") return key;
  } catch {
    // The words of the library could hold a part of the key.
  }
  throw new InvalidSpecError("Cannot get a token of a GitHub App: its private key is no RSA key in PEM format", {
    fix: "Give the file that GitHub made under the App's settings, whole.",
  });
}

async function bounded(response: Response): Promise<string> {
  let text = "";
  if (response.body === null) return text;
  for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
    text += part;
    if (text.length > ANSWER_CHARS_MAX) throw new UnavailableError("Cannot get a token: the answer is too long");
  }
  return text;
}

function jsonObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await work;
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const stop = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", stop);
    work.catch(() => undefined);
  }
}

/** Deno says "fetch failed" and puts the reason into causes. */
function innermost(cause: unknown): string {
  let inner = cause;
  for (let depth = 0; depth < 5 && inner instanceof Error && inner.cause instanceof Error; depth++) inner = inner.cause;
  return inner instanceof Error ? inner.message : String(inner);
}

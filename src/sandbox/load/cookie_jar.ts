/** What one user's browser keeps between requests: cookies by name, with Max-Age and Expires, for one host. */

interface Cookie {
  readonly value: string;
  readonly expiresMs: number;
}

export class CookieJar {
  readonly #cookies = new Map<string, Cookie>();

  /** Takes all `Set-Cookie` lines of an answer. A Max-Age of 0 or less deletes, and wins over Expires. */
  store(headers: Headers, nowMs: number): void {
    for (const line of headers.getSetCookie()) {
      const [pair = "", ...attributes] = line.split(";").map((part) => part.trim());
      const equals = pair.indexOf("=");
      if (equals < 1) continue;
      const expiresMs = expiry(attributes, nowMs);
      if (expiresMs <= nowMs) this.#cookies.delete(pair.slice(0, equals));
      else this.#cookies.set(pair.slice(0, equals), { value: pair.slice(equals + 1), expiresMs });
    }
  }

  /** The `Cookie` header to send; undefined where there is nothing to send. */
  header(nowMs: number): string | undefined {
    const live = [...this.#cookies].filter(([, cookie]) => cookie.expiresMs > nowMs);
    return live.length === 0 ? undefined : live.map(([name, { value }]) => `${name}=${value}`).join("; ");
  }
}

function expiry(attributes: readonly string[], nowMs: number): number {
  let expiresMs = Infinity;
  for (const attribute of attributes) {
    const [name = "", value = ""] = attribute.split("=").map((part) => part.trim());
    if (name.toLowerCase() === "max-age" && /^-?\d+$/.test(value)) return nowMs + Number(value) * 1000;
    if (name.toLowerCase() === "expires") expiresMs = Date.parse(value) || Infinity;
  }
  return expiresMs;
}

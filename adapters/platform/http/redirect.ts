/** Where a redirect leads, and what may go along. Pure. */

export interface Hop {
  readonly method: string;
  readonly url: URL;
  readonly headers: Headers;
  readonly body: string | Uint8Array<ArrayBuffer> | undefined;
}

/** Redirects that are followed for one request. */
export const REDIRECTS_MAX = 5;

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** All else may be a credential under a provider's own name, and stays with the origin it was meant for. */
const HEADERS_FOR_ANYONE = ["accept", "content-type", "user-agent"];

/**
 * The next request of a redirect; null when the answer is not one, or is not followed: it names no HTTP address, or
 * leads from https to http.
 *
 * 301, 302 and 303 turn anything but GET into a GET without body, as browsers and Go do; 307 and 308 keep both.
 */
export function nextHop(hop: Hop, status: number, location: string | null): Hop | null {
  if (!REDIRECTS.has(status) || location === null) return null;
  const url = URL.parse(location, hop.url);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) return null;
  if (hop.url.protocol === "https:" && url.protocol === "http:") return null;
  url.username = "";
  url.password = "";
  url.hash = "";
  const keepsBody = status === 307 || status === 308;
  const headers = new Headers(hop.headers);
  if (url.origin !== hop.url.origin) {
    for (const name of [...headers.keys()]) if (!HEADERS_FOR_ANYONE.includes(name)) headers.delete(name);
  }
  if (keepsBody || hop.method === "GET") return { ...hop, url, headers };
  headers.delete("content-type");
  return { method: "GET", url, headers, body: undefined };
}
